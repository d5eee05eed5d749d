"""`make test-kubernetes`: the base of `deploy/kubernetes` on a cluster, with servers of its own there."""
