"""The pictures of the pages that show a running installation, made by `make pictures`."""
