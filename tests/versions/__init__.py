"""The suite against the servers that users have: other Debian releases in trees of their own, other PostgreSQL versions."""
