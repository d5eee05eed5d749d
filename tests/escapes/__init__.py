"""Attempts to exceed the rights of a login, each with the server or worker that denies it."""
