-- How many sessions of player $1 there are up to revision $2, how many after it, and the greatest revision of all.
SELECT count(*) FILTER (WHERE revision <= $2), count(*) FILTER (WHERE revision > $2), max(revision)
  FROM sessions
 WHERE player_id = $1;
