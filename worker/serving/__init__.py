"""The work of a replica while it has a session to the broker."""
