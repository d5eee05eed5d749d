"""How to reach PostgreSQL: every parameter that libpq knows, from wherever it comes, read once and by us alone."""
