"""The errors of requests: one table of codes, reasons and whether to try again (contract: Request)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, ValidationError

from .message import Message
from .refusals import explain


class ErrorReason(StrEnum):
    """Why a request failed, in one word."""

    PARSE_ERROR = "parse_error"
    INVALID_REQUEST = "invalid_request"
    UNKNOWN_METHOD = "unknown_method"
    INVALID_PARAMS = "invalid_params"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    TIMEOUT = "timeout"
    NOT_YET_VISIBLE = "not_yet_visible"
    TOO_LARGE = "too_large"
    OVERLOADED = "overloaded"
    BAD_SIGNATURE = "bad_signature"
    INTERNAL_ERROR = "internal_error"

    @property
    def code(self) -> int:
        """The JSON-RPC code."""
        return _FACTS[self][0]

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return _FACTS[self][1]


_FACTS: Final[Mapping[ErrorReason, tuple[int, bool]]] = {
    ErrorReason.PARSE_ERROR: (-32700, False),
    ErrorReason.INVALID_REQUEST: (-32600, False),
    ErrorReason.UNKNOWN_METHOD: (-32601, False),
    ErrorReason.INVALID_PARAMS: (-32602, False),
    ErrorReason.STORAGE_UNAVAILABLE: (-32001, True),
    ErrorReason.TIMEOUT: (-32002, True),
    ErrorReason.NOT_YET_VISIBLE: (-32003, True),
    ErrorReason.TOO_LARGE: (-32004, False),
    ErrorReason.OVERLOADED: (-32005, True),
    ErrorReason.BAD_SIGNATURE: (-32006, False),
    ErrorReason.INTERNAL_ERROR: (-32603, False),
}


class FieldFault(Message):
    """One wrong field: its path in the parameters (empty for the parameters as a whole), and the rule it breaks."""

    field: str
    message: str


class Fault(Message):
    """The part of an error for programs; `details` is a list of FieldFault for `invalid_params`."""

    reason: Annotated[ErrorReason, Field(strict=False)]
    retryable: bool
    details: object = None


class RpcError(Message):
    """A JSON-RPC 2.0 error object; `message` is for people."""

    code: int
    message: str
    data: Fault


def make_error(reason: ErrorReason, message: str, details: object = None) -> RpcError:
    """Return the error with the code and the retryability that belong to its reason."""
    fault = Fault(reason=reason, retryable=reason.retryable, details=details)
    return RpcError(code=reason.code, message=message, data=fault)


def refuse_params(error: ValidationError) -> RpcError:
    """Return the `invalid_params` error with one entry for each field, in the order of the fields."""
    faults = [FieldFault(field=path, message=said) for path, said in explain(error).items()]
    details = [fault.model_dump() for fault in faults]
    return make_error(ErrorReason.INVALID_PARAMS, faults[0].message, details)
