"""The AsyncAPI 3 document, from the topology and the models, as the worker sees it."""

from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import BaseModel

from ..changes import SessionDeleted, SessionStored
from ..dead_letters import DeadLetterHeaders
from ..events import DeleteEvent, EraseEvent, WriteEvent
from ..faults import FieldFault
from ..replies import RESULTS, Confirmation, Failure
from ..requests import PARAMS, Request
from ..topology import (
    DELETE_KEY,
    DELETED_KEY,
    ERASE_KEY,
    STORED_KEY,
    WRITE_KEY,
    Exchange,
    Queue,
    Topology,
)
from .asyncapi_messages import SCHEMA, Node, build_messages, request_name, result_name, title_of
from .schemas import build_definitions

CONTRACT_VERSION: Final = "1.0.0"

_REPLY_TO: Final = "$message.header#/reply_to"
_MODELS: Final[tuple[type[BaseModel], ...]] = (
    WriteEvent,
    DeleteEvent,
    EraseEvent,
    SessionStored,
    SessionDeleted,
    Confirmation,
    DeadLetterHeaders,
    FieldFault,
    Failure,
    Request,
    *PARAMS.values(),
    *RESULTS.values(),
)
_ABOUT: Final = (
    "The messages between engines and the storage worker. Names of queues and exchanges take the prefix of"
    " the installation. `reply_to` and `correlation_id` are AMQP properties of a message. A reply goes only"
    " to `amq.rabbitmq.reply-to.*` or to a queue whose name starts with `session.reply.`."
    " Requests may come in JSON-RPC batches."
)


def build_document() -> Node:
    """Return the whole document; the same at every call, in an order that a reader can follow."""
    topology = Topology()
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Session store", "version": CONTRACT_VERSION, "description": _ABOUT},
        "defaultContentType": "application/json",
        "channels": _channels(topology),
        "operations": _operations(),
        "components": {
            "messages": build_messages(),
            "schemas": build_definitions(_MODELS, SCHEMA + "{model}"),
        },
    }


def _channels(topology: Topology) -> Node:
    events = topology.sessions
    return {
        "sessionWrite": _queue(topology.write_queue, events, "Session writes.", ["WriteEvent"]),
        "sessionDelete": _queue(topology.delete_queue, events, "Session deletes.", ["DeleteEvent"]),
        "playerErase": _queue(topology.erase_queue, events, "Erasures of players.", ["EraseEvent"]),
        "requests": _queue(topology.rpc_queue, events, "Requests.", map(request_name, PARAMS)),
        "confirmations": _reply("Outcomes of events.", ["Confirmation"]),
        "replies": _reply("Answers to requests.", [*map(result_name, RESULTS), "Failure"]),
        "deadLetters": {
            **_keyed(
                topology.dead,
                "Refused events, body and properties as they came.",
                (WRITE_KEY, DELETE_KEY, ERASE_KEY),
            ),
            "messages": _named(["DeadLetter"]),
            "x-queue": _declaration(topology.dead_queue),
        },
        "changes": {
            **_keyed(topology.changes, "Committed changes; an optional feed.", (STORED_KEY, DELETED_KEY)),
            "messages": _named(["SessionStored", "SessionDeleted"]),
        },
    }


def _queue(queue: Queue, exchange: Exchange, about: str, messages: Iterable[str]) -> Node:
    return {
        "address": queue.binding_key,
        "description": about,
        "messages": _named(messages),
        "bindings": _binding(exchange),
        "x-queue": _declaration(queue),
    }


def _reply(about: str, messages: Iterable[str]) -> Node:
    return {
        "address": None,
        "description": f"{about} The address is the message's own `reply_to`.",
        "messages": _named(messages),
    }


def _keyed(exchange: Exchange, about: str, keys: tuple[str, ...]) -> Node:
    return {
        "address": "{routingKey}",
        "description": about,
        "parameters": {"routingKey": {"enum": list(keys)}},
        "bindings": _binding(exchange),
    }


def _binding(exchange: Exchange) -> Node:
    declared: Node = {"name": exchange.name, "type": "topic", "durable": True, "autoDelete": False}
    return {"amqp": {"is": "routingKey", "exchange": declared, "bindingVersion": "0.3.0"}}


def _declaration(queue: Queue) -> Node:
    return {
        "name": queue.name,
        "bindingKey": queue.binding_key,
        "durable": True,
        "arguments": dict(queue.arguments),
    }


def _named(messages: Iterable[str]) -> Node:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in messages}


def _operations() -> Node:
    confirmed = _answered_on("confirmations", ["Confirmation"])
    asked = {
        f"answer{title_of(method)}": {
            **_operation("receive", "requests", f"Answer `{method}`.", [request_name(method)]),
            "reply": _answered_on("replies", [result_name(method), "Failure"]),
        }
        for method in PARAMS
    }
    return {
        "storeSession": {
            **_operation("receive", "sessionWrite", "Apply a write.", ["WriteEvent"]),
            "reply": confirmed,
        },
        "deleteSession": {
            **_operation("receive", "sessionDelete", "Apply a delete.", ["DeleteEvent"]),
            "reply": confirmed,
        },
        "erasePlayer": {
            **_operation("receive", "playerErase", "Erase a player.", ["EraseEvent"]),
            "reply": confirmed,
        },
        **asked,
        "deadLetter": _operation(
            "send", "deadLetters", "Publish a refused event with the reason.", ["DeadLetter"]
        ),
        "announceChange": _operation(
            "send", "changes", "Announce committed changes.", ["SessionStored", "SessionDeleted"]
        ),
    }


def _operation(action: str, channel: str, summary: str, messages: Iterable[str]) -> Node:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": _carried(channel, messages),
    }


def _answered_on(channel: str, messages: Iterable[str]) -> Node:
    return {
        "address": {"location": _REPLY_TO},
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": _carried(channel, messages),
    }


def _carried(channel: str, messages: Iterable[str]) -> list[Mapping[str, str]]:
    return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages]
