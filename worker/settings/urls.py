"""Fills placeholders into a URL, and masks its passwords."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

_IN_LOGIN: Final = re.compile(r"(://[^:@/?]*:).*@")
_IN_QUERY: Final = re.compile(r"([?&](?:ssl)?password=)[^&]*")
_PLACEHOLDER: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def expand_placeholders(text: str, environment: Mapping[str, str]) -> str:
    """Return `text` with every `${NAME}` replaced by the variable, quoted for a URL.

    Raises ValueError that names a variable that is not set.
    """

    def value_of(match: re.Match[str]) -> str:
        if match[1] not in environment:
            raise ValueError(f"names ${{{match[1]}}}, which is not set")
        try:
            return quote(environment[match[1]], safe="")
        except UnicodeEncodeError:
            raise ValueError(f"names ${{{match[1]}}}, which is not UTF-8 text") from None

    return _PLACEHOLDER.sub(value_of, text)


def mask_passwords(url: str) -> str:
    """Return a URL with `***` in place of its passwords."""
    return _IN_QUERY.sub(r"\1***", _IN_LOGIN.sub(r"\1***@", url))
