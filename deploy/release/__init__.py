"""The checks and the parts of a release."""
