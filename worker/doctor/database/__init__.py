"""Judges the facts of a database, and says what to do."""
