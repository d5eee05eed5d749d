"""Settings: what may be set, where it is read, and which servers a URL names."""
