"""Why a request failed: the one table of codes, reasons and whether to ask again (contract: Request)."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, ValidationError

from contracts.message import Message
from contracts.refusals import explain


class ErrorReason(StrEnum):
    """Why a request failed, with the JSON-RPC code and whether the same request may succeed later."""

    code: int
    retryable: bool

    def __new__(cls, word: str, code: int, retryable: bool) -> Self:
        """Make the member's value the word alone."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.code = code
        member.retryable = retryable
        return member

    PARSE_ERROR = "parse_error", -32700, False
    INVALID_REQUEST = "invalid_request", -32600, False
    UNKNOWN_METHOD = "unknown_method", -32601, False
    INVALID_PARAMS = "invalid_params", -32602, False
    STORAGE_UNAVAILABLE = "storage_unavailable", -32001, True
    TIMEOUT = "timeout", -32002, True
    NOT_YET_VISIBLE = "not_yet_visible", -32003, True
    TOO_LARGE = "too_large", -32004, False
    OVERLOADED = "overloaded", -32005, True
    INTERNAL_ERROR = "internal_error", -32603, False


class FieldFault(Message):
    """One field that is wrong, by its path in the parameters (empty: the parameters as a whole), and how."""

    field: str
    message: str


class Fault(Message):
    """The part of an error that a program reads; `details` is a list of FieldFault for `invalid_params`."""

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
    """Return the `invalid_params` error with one entry a field, in the order of the fields."""
    faults = [FieldFault(field=path, message=said) for path, said in explain(error).items()]
    details = [fault.model_dump() for fault in faults]
    return make_error(ErrorReason.INVALID_PARAMS, faults[0].message, details)
