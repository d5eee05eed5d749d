-- Names the partition for sql/partitioning/drop_partition.sql, in this transaction.
SELECT set_config('session_store.partition', $1, true);
