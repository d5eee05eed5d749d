"""Writes the files that are generated from the models and constants of `contracts`."""
