-- Gives the planner statistics of the copied sessions before the first query.
ANALYZE sessions_by_date;
