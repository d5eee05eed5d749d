-- Gives the planner statistics of the whole table; autovacuum analyzes only the partitions.
ANALYZE sessions;
