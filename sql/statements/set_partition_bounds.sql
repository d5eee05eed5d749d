-- Sets the bounds for sql/partitioning/make_partition.sql, in this transaction.
SELECT set_config('session_store.partition_from', $1, true), set_config('session_store.partition_to', $2, true);
