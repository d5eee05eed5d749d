"""What `make test-containers` and `make test-systemd` have in common: Debian trees, wheels, an engine."""
