"""Whether messages must be signed, and whether the keys are worth something."""

from typing import Final

from contracts.signing import Keyring
from worker.finding import Finding, ok, warning
from worker.settings.config import Settings

LEAST_VARIETY: Final = (
    8  # different characters; 32 random hex digits have fewer once in ten million times or less
)
HERE: Final = "docs/operations.md, *Signed messages*, says how to come to enforce without a stop"


def examine_signatures(settings: Settings) -> Finding:
    """Find that anybody who may publish is believed, and secrets that are easily guessed."""
    secrets = Keyring.parse(settings.signing_keys.get_secret_value())
    weak = [key_id for key_id, variety in secrets.varieties.items() if variety < LEAST_VARIETY]
    if weak:
        return warning(f"easily guessed: the secret of {', '.join(weak)}", "openssl rand -hex 32")
    match settings.signatures:
        case "off":
            return warning("off: whoever may publish is believed", HERE)
        case "warn":
            return warning("warn: bad signatures are counted, and served", HERE)
    return ok(f"enforced; signs with {secrets.ids[0]}, knows {', '.join(secrets.ids)}")
