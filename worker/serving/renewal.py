"""When a consumer that gets nothing is replaced, because the broker may deliver to it in vain."""

from time import monotonic
from typing import Final

from worker.broker.intake import Intake
from worker.broker.release import Release

RENEW_SECONDS: Final = 15.0


class Renewal:
    """Tells when an intake has been silent for so long that another one should take its place.

    Only on a broker that can swallow a consumer's deliveries (`Release.resumes_consumers`). No count shows that: the
    queue has a consumer, and its messages are delivered. It does show in silence, and closing the channel returns all
    that was swallowed. An intake that is silent because nothing is asked loses nothing by it.
    """

    def __init__(self, intake: Intake, release: Release) -> None:
        self._intake = intake
        self._opened = monotonic()
        self._applies = release.resumes_consumers

    def is_due(self) -> bool:
        """Whether nothing has arrived for `RENEW_SECONDS`, and nothing that arrived before is still served."""
        last = max(self._opened, self._intake.last_arrival)
        is_silent = monotonic() - last >= RENEW_SECONDS
        return self._applies and is_silent and not self._intake.unacknowledged
