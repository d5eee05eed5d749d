"""The samples replayed on private servers through a real worker, and the result compared."""
