"""Traces: what the rest of the worker knows of them is `untraced`, what exports them is loaded only when it is on."""
