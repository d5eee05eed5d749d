"""Checks that `run` makes before it serves."""
