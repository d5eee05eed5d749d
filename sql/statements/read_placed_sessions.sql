-- Sessions by id where they are partitioned, in no order; unknown ids are left out. `read_sessions` finds the same
-- and looks into every partition. The condition that the table itself is empty is always true. It locks the table
-- before the snapshot is taken. During the wait a row may move to a new partition, where an older snapshot does not
-- see it.
SELECT
\ir record.sql
  FROM stored_sessions($1::text[])
 WHERE NOT EXISTS (SELECT FROM ONLY sessions);
