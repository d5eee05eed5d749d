"""Judges the facts of a database, and names the fixes."""
