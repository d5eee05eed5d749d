"""The outcomes of events (contract: Outcomes) and the codes of dead letters (contract: Topology)."""

from enum import StrEnum


class Outcome(StrEnum):
    """Every event ends in exactly one of these."""

    STORED = "stored"
    DELETED = "deleted"
    ABSENT = "absent"
    ERASED = "erased"
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"


class DeadLetterCode(StrEnum):
    """Why a message is in the dead-letter queue; the value of its `x-code` header."""

    TOO_LARGE = "too_large"
    BAD_PROPERTIES = "bad_properties"
    BAD_JSON = "bad_json"
    NOT_OBJECT = "not_object"
    TOO_DEEP = "too_deep"
    BAD_SCHEMA = "bad_schema"
    BAD_ID = "bad_id"
    BAD_TIME = "bad_time"
    BAD_NUMBER = "bad_number"
    BAD_REVISION = "bad_revision"
    REVISION_AHEAD = "revision_ahead"
    NUL_CHARACTER = "nul_character"
    SUBJECT_MISMATCH = "subject_mismatch"
    CONFLICT = "conflict"
    REFUSED_BY_DATABASE = "refused_by_database"
    BAD_SIGNATURE = "bad_signature"
    DELIVERY_LIMIT = "delivery_limit"
