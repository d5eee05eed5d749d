-- Says for sql/partitioning/drop_partition.sql, in this transaction, which.
SELECT set_config('session_store.partition', $1, true);
