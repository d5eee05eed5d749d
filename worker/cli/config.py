"""`config`: the settings in force."""

from worker.cli.console import print_json, print_table, warn
from worker.cli.options import AsJson
from worker.settings.config import Settings, variables
from worker.settings.keyring import keyring_of
from worker.settings.loading import Loaded, load
from worker.settings.urls import mask_passwords


def print_config(as_json: AsJson = False) -> None:
    """Print the settings in force and the origin of each; secrets are masked."""
    loaded = load(required=())
    shown = {
        name: (_shown(loaded.settings, field, secret), loaded.origins.get(name, "default"))
        for name, (field, secret) in variables().items()
    }
    if as_json:
        print_json({name: {"value": value, "origin": origin} for name, (value, origin) in shown.items()})
    else:
        print_table(("variable", "value", "from"), [(n, v or "not set", o) for n, (v, o) in shown.items()])
    warn_of_unknown(loaded)


def warn_of_unknown(loaded: Loaded) -> None:
    """Warn of each unknown name that looks like a setting."""
    for name, meant in loaded.unknown.items():
        warn(f"{name} is not a setting" + (f"; is {meant} meant?" if meant else ""))


def _shown(settings: Settings, field: str, secret: bool) -> str:
    value = getattr(settings, field)
    if field == "signing_keys":
        return " ".join(f"{key_id}:***" for key_id in keyring_of(settings).ids)
    return mask_passwords(value.get_secret_value()) if secret else str(value)
