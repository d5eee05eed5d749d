-- Sessions by id where they are partitioned, in no order; those that are not there are left out. As `read_sessions`, which finds
-- the same and looks into every partition. That the table itself is empty is always true, and has it locked before the
-- snapshot is taken: while this waits a row may move to a new partition, where an older snapshot does not see it.
SELECT
\ir record.sql
  FROM stored_sessions($1::text[])
 WHERE NOT EXISTS (SELECT FROM ONLY sessions);
