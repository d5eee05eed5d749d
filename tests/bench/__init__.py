"""The benchmark: this worker beside its alternatives, on the same servers in the same run."""
