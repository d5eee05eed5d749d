-- Judges and applies events of distinct sessions; one row an event, in no order. Each parameter is a column. Ids and
-- JSON are joined by U+001F, with U+001E for null; the other columns are array literals. The JSON is UTF-8. The name
-- of an encoding has the collation "C": with that collation the function would compare ids, and not find them in an
-- index.
SELECT session_id, outcome, prior_revision, prior_event_id, prior_outcome
  FROM apply_session_events(string_to_array($1, E'\x1f'), $2::text::bigint[], $3::text::uuid[], $4::text::bigint[],
                            $5::text::boolean[], string_to_array($6, E'\x1f', E'\x1e'),
                            string_to_array(convert_from($7, 'UTF8') COLLATE "default", E'\x1f', E'\x1e'),
                            string_to_array(convert_from($8, 'UTF8') COLLATE "default", E'\x1f', E'\x1e'),
                            string_to_array(convert_from($9, 'UTF8') COLLATE "default", E'\x1f', E'\x1e'),
                            $10::text::timestamptz[], $11::text::timestamptz[],
                            $12::text::timestamptz[]);
