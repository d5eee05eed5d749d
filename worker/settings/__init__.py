"""Settings: their rules, the places they are read from, and the servers that a URL names."""
