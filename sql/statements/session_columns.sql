-- The columns of an answer. Other SQL may store times that no answer can represent: those become the nearest possible
-- time.
       session_id, player_id, encounter::text, state::text, extra::text,
       least(greatest(started_at, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59.999999+00') AS started_at,
       CASE WHEN completed_at IS NOT NULL
            THEN least(greatest(completed_at, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59.999999+00') END
            AS completed_at,
       revision,
       CASE WHEN created_at IS NOT NULL
            THEN least(greatest(created_at, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59.999999+00') END
            AS created_at,
       CASE WHEN updated_at IS NOT NULL
            THEN least(greatest(updated_at, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59.999999+00') END
            AS updated_at
