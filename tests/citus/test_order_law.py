"""The order law's own suite on Citus, by calls with sessions of any buckets; each bucket is its own task."""

import pytest

from tests.integration.test_order_law import (
    connections,
    test_a_late_write_never_brings_a_deleted_session_back,
    test_a_session_may_be_in_a_call_only_once,
    test_any_order_and_any_repetition_end_in_the_same_state,
    test_every_outcome_is_the_models,
    test_many_connections_at_once_apply_each_event_once_and_in_order,
)

pytestmark = pytest.mark.timeout(1800)  # a call of several buckets takes several turns

__all__ = [
    "connections",
    "test_a_late_write_never_brings_a_deleted_session_back",
    "test_a_session_may_be_in_a_call_only_once",
    "test_any_order_and_any_repetition_end_in_the_same_state",
    "test_every_outcome_is_the_models",
    "test_many_connections_at_once_apply_each_event_once_and_in_order",
]
