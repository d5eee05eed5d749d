-- How many sessions of player $1 there are up to revision $2, how many after it, and the greatest revision of all.
SELECT count(*) FILTER (WHERE revision <= $2) AS up_to,
       count(*) FILTER (WHERE revision > $2) AS later,
       max(revision) AS greatest
  FROM sessions
 WHERE player_id = $1;
