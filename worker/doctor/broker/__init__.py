"""Judges the facts of a broker, and says what to do."""
