"""`make test-systemd`: the printed steps, typed on a Debian with systemd as its first process."""
