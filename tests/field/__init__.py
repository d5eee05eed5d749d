"""The common parts of `make test-containers` and `make test-systemd`: Debian trees, wheels, an engine."""
