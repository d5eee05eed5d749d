"""Tests of the files that are deployed beside the worker."""
