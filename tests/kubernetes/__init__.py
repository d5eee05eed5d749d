"""`make test-kubernetes`: the base on a cluster, with servers of its own there."""
