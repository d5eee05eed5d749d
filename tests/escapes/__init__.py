"""Attempts to get out of what a login may do, each with the one who denies it."""
