"""Everything on one machine, in containers."""
