"""Writes what is generated from the models and constants of `contracts`."""
