"""What a replica does while it has a session to the broker."""
