"""The number of examples that Hypothesis makes, by the profile of a run and by a factor of the test.

`fast` is for a developer's loop, `ci` is for every change, and `all` is the long search. A run chooses one:
`pytest --hypothesis-profile fast`.
"""

from typing import Final

from hypothesis import HealthCheck, settings

EXAMPLES: Final = {"fast": 20, "ci": 40, "all": 300}
"""Examples of a test without a factor of its own, by profile."""
CHOSEN: Final = "ci"
_HEALTHY: Final = [HealthCheck.too_slow]


def register_profiles() -> None:
    """Register the profiles and choose `ci`; an option of the run chooses another.

    No test fails because the machine was slow: there is no deadline, and slow examples are no error.
    """
    for name, count in EXAMPLES.items():
        settings.register_profile(
            name, max_examples=count, deadline=None, suppress_health_check=_HEALTHY, print_blob=True
        )
    settings.load_profile(CHOSEN)


def times(factor: float) -> settings:
    """Return settings with `factor` times the examples of the profile."""
    return settings(max_examples=max(1, round(factor * settings().max_examples)))


def times_on_one_database(factor: float) -> settings:
    """Return the settings of `times`, for a test whose examples share a database: each leaves no data."""
    return settings(times(factor), suppress_health_check=[*_HEALTHY, HealthCheck.function_scoped_fixture])
