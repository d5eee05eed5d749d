"""The suite against the servers that users have: trees of other Debian releases, and other PostgreSQL versions."""
