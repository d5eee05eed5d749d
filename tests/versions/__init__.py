"""The suite against the servers that users have: other Debians in trees of their own, other PostgreSQL versions."""
