"""Manifests for Kubernetes, and the source of those that are generated."""
