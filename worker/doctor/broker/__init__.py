"""Judges the facts of a broker, and names the fixes."""
