"""`version`: the release."""

from worker import release


def print_version() -> None:
    """Print the release."""
    print(release())
