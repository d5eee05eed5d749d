"""`make test-containers`: the image and the stack, with a container engine, as docs/install-containers.md says."""
