"""The dashboard for people."""
