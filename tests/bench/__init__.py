"""The benchmark: this worker beside what a user could take instead, on the same servers in the same run."""
