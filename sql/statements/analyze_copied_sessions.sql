-- Has the planner know what is copied before anybody asks it.
ANALYZE sessions_by_date;
