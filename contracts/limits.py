"""The bounds that worker and clients share, and the times of the clients: the only place where they are numbers.

`python -m contracts.generate` writes the same constants for TypeScript.
"""

from typing import Final

# One message

BODY_LIMIT: Final = 1_048_576
"""Bytes of an event's body; a worker with another SESSION_STORE_BODY_LIMIT has that one."""

MAX_MESSAGE_BYTES: Final = 4_194_304
"""Bytes of a request or of a reply. The broker's `max_message_size` is the same."""

# One value

MAX_DEPTH: Final = 64
"""Levels of nested objects and arrays in a message."""

MIN_INTEGER: Final = -(2**63)
MAX_INTEGER: Final = 2**64 - 1
"""Integers between the two come back equal."""

MAX_REVISION: Final = 2**53 - 1
"""The greatest integer that every JSON parser keeps."""

MAX_IDENTIFIER_CHARACTERS: Final = 255
"""Characters of an id: at most 1,020 bytes, because a character has four at most."""

MAX_ECHO: Final = 80
"""Characters of an invalid value that an error message repeats."""

# Reads

MAX_LIMIT: Final = 1_000
"""Records of one page."""

DEFAULT_LIMIT: Final = 100
"""Records of a page without a `limit`."""

MAX_OFFSET: Final = 10_000
"""The greatest offset; pages beyond it are reached by cursor."""

MAX_IDS: Final = 1_000
"""Ids of one `session.readMany`."""

MAX_CURSOR_CHARACTERS: Final = 4_096
"""Characters of a cursor."""

# A connection to the broker

HEARTBEAT_SECONDS: Final = 5
"""A silent peer is noticed after 18 s. Below 5 s the broker closes connections that are alive."""

CONNECT_TIMEOUT_MS: Final = 5_000
"""For all hosts of a URL together."""

CLOSE_TIMEOUT_MS: Final = 3_000
"""After it a connection is abandoned."""

RECONNECT_DELAY_MS: Final = 100
MAX_RECONNECT_DELAY_MS: Final = 3_000
"""The first and the longest pause before another attempt to connect; it doubles, with jitter."""

FORGETTABLE_BINDING_MS: Final = 3_000
"""For so long a broker that is killed may forget a new binding: Mnesia's log is written every two seconds."""

# A client's calls

CALL_TIMEOUT_MS: Final = 5_000
"""The deadline of a call, where the client's options name none."""

HEALTH_CHECK_TIMEOUT_MS: Final = 1_000
"""Of a storage's health check, whatever the timeout of calls is: probes wait no longer."""

REPUBLISH_DELAY_MS: Final = 50
"""The longest pause before a message that the broker did not confirm is published again, with jitter."""

REPUBLISH_UNANSWERED_MS: Final = 2_000
"""A message without a confirm, and an event or a read without a reply, is published again after so long.

The pause doubles.
"""

CHANNEL_REFUSAL_MS: Final = 1_000
"""A channel whose messages to one key are refused for so long is replaced."""

RPC_RETRY_DELAY_MS: Final = 50
MAX_RPC_RETRY_DELAY_MS: Final = 500
"""The first and the longest pause before a retryable request is repeated; it doubles, with jitter."""

CHANGES_PREFETCH: Final = 200
"""Messages of the changes feed that wait in a client."""

# A client's memory

REMEMBERED_REVISIONS: Final = 10_000
"""Sessions, the last used, whose greatest revision a client's clock knows."""

REMEMBERED_CHANGES: Final = 100_000
"""Sessions, the last changed, whose newest change a subscription knows."""

MAX_PENDING_WRITES: Final = 100_000
"""Sessions with a queued write that was not yet seen to be applied."""
