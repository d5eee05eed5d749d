"""What is deployed beside the worker."""
