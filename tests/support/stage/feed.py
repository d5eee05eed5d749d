"""Listens to the changes feed, and compares its messages with the sent events and the final state."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple
from uuid import UUID

import aio_pika
import orjson
from pamqp.common import FieldValue

from contracts.topology import STORED_KEY, Topology
from tests.support.stage.events import content_of
from tests.support.stage.history import Entry, History, Key, Row, Sent

QUORUM: Final[Mapping[str, FieldValue]] = {"x-queue-type": "quorum"}


class Told(NamedTuple):
    """One message of the feed; a deleted session has no content."""

    session_id: str
    key: Key
    is_stored: bool
    content: bytes = b""


class Listener:
    """A queue that outlives the broker and keeps every message of the feed."""

    def __init__(self, url: str, topology: Topology) -> None:
        self._url = url
        self._exchange = topology.changes.name
        self.queue = f"{topology.prefix}listener"

    async def listen(self) -> None:
        """Declare the queue and bind it to the feed."""
        connection = await aio_pika.connect(self._url)
        async with connection, connection.channel() as channel:
            queue = await channel.declare_queue(self.queue, durable=True, arguments=dict(QUORUM))
            await queue.bind(self._exchange, "#")

    async def take(self) -> list[Told]:
        """Return the messages so far, in their order, and delete the queue."""
        connection = await aio_pika.connect(self._url)
        told = []
        async with connection, connection.channel() as channel:
            queue = await channel.get_queue(self.queue)
            while message := await queue.get(no_ack=True, fail=False):
                told.append(read_told(message.body))
            await queue.delete(if_unused=False, if_empty=False)
        return told


def read_told(body: bytes) -> Told:
    """Return the content of a message."""
    event = orjson.loads(body)
    is_stored, data = event["type"] == STORED_KEY, event["data"]
    content = content_of(data["session"]) if is_stored else b""
    return Told(event["subject"], Key(data["revision"], UUID(event["id"])), is_stored, content)


def judge_feed(
    history: History, told: Iterable[Told], ledger: Mapping[str, Entry], rows: Mapping[str, Row]
) -> list[str]:
    """Return every broken promise of the feed: a last state without its message, or an untrue message."""
    sent = {(event.session_id, event.key): event for event in history.sent.values() if event.key}
    by_session: dict[str, dict[Key, Told]] = defaultdict(dict)
    breaches = []
    for each in told:
        by_session[each.session_id][each.key] = each
        entry = ledger.get(each.session_id)
        if not _is_true(each, sent.get((each.session_id, each.key)), entry):
            breaches.append(f"{each.session_id} was told {each.key}, which is not what was committed")
    return [*breaches, *_judge_last(by_session, ledger, rows)]


def _is_true(told: Told, event: Sent | None, entry: Entry | None) -> bool:
    """Return whether the ledger has reached that event, and the message has the event's effect."""
    if event is None or entry is None or entry.key < told.key:
        return False
    return (told.is_stored, told.content) == (not event.is_delete, event.content)


def _judge_last(
    by_session: Mapping[str, Mapping[Key, Told]], ledger: Mapping[str, Entry], rows: Mapping[str, Row]
) -> Iterator[str]:
    for session_id, entry in ledger.items():
        told = by_session.get(session_id, {})
        last = told[max(told)] if told else None
        if last is None or last.key != entry.key:
            yield f"{session_id} is at {entry.key}, and was last told {last and last.key}"
        elif (row := rows.get(session_id)) != (
            Row(last.key.revision, last.content) if last.is_stored else None
        ):
            yield f"{session_id} holds {row}, and was told {last}"
