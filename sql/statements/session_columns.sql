       session_id, player_id, encounter::text, state::text, extra::text, started_at, completed_at, revision,
       created_at, updated_at
