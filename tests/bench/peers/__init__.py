"""The alternatives to the worker, as a competent user would write them."""
