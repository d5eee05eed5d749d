-- The number of sessions of player $1 up to revision $2, the number after it, and the greatest revision of all.
SELECT count(*) FILTER (WHERE revision <= $2) AS up_to,
       count(*) FILTER (WHERE revision > $2) AS later,
       max(revision) AS greatest
  FROM sessions
 WHERE player_id = $1;
