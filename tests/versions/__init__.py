"""The suite on the servers that users have: other releases of Debian in trees, other versions of PostgreSQL."""
