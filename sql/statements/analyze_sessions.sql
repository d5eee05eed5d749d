-- Has the planner know the sessions as a whole; autovacuum sees to the partitions alone.
ANALYZE sessions;
