"""Where an instance's servers are."""

from dataclasses import dataclass
from typing import Final

DATABASE: Final = "sessions"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The two URLs a worker is given; they hold passwords."""

    database_url: str
    amqp_url: str

    def variables(self) -> dict[str, str]:
        """Return them as the environment variables that programs read."""
        return {"DATABASE_URL": self.database_url, "AMQP_URL": self.amqp_url}
