"""The state of a worker for people and machines: logs, metrics, health, status page."""
