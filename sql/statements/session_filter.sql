-- The parameters of `filter_values` in worker/store/reader.py, in its order. The queries have four more: $12 the
-- limit, $13 the offset, $14 and $15 the last key and id of the page before.
       ($1::text IS NULL OR player_id = $1)                               -- $1: playerId
   AND ($2::boolean IS NULL OR (completed_at IS NOT NULL) = $2)           -- $2: completed
   AND ($3::text IS NULL OR difficulty = $3)                              -- $3: difficulty
   AND ($4::text IS NULL OR started_at >= $4::text::timestamptz)          -- $4: startedAfter
   AND ($5::text IS NULL OR started_at <= $5::text::timestamptz)          -- $5: startedBefore
   AND ($6::text IS NULL OR completed_at >= $6::text::timestamptz)        -- $6: completedAfter
   AND ($7::text IS NULL OR completed_at <= $7::text::timestamptz)        -- $7: completedBefore
   AND ($8::text IS NULL OR updated_at >= $8::text::timestamptz)          -- $8: updatedAfter
   AND ($9::text IS NULL OR updated_at <= $9::text::timestamptz)          -- $9: updatedBefore
   AND ($10::text IS NULL OR encounter @> $10::text::jsonb)               -- $10: encounterContains
   AND ($11::text IS NULL OR state @> $11::text::jsonb)                   -- $11: stateContains
