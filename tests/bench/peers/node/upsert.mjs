const COLUMNS = ['sessionId', 'playerId', 'encounter', 'state', 'startedAt', 'completedAt']

/** A prepared, idempotent upsert of one session: pg prepares a query that has a name once a connection. */
export function upsertOf(event) {
  const { revision, session } = event.data
  const extra = Object.fromEntries(Object.entries(session).filter(([name]) => !COLUMNS.includes(name)))
  return {
    name: 'upsert',
    text: `INSERT INTO sessions (session_id, player_id, encounter, state, started_at, completed_at, revision, extra)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
           ON CONFLICT (session_id) DO UPDATE
              SET player_id = excluded.player_id, encounter = excluded.encounter, state = excluded.state,
                  started_at = excluded.started_at, completed_at = excluded.completed_at,
                  revision = excluded.revision, extra = excluded.extra, updated_at = now()
            WHERE sessions.revision < excluded.revision`,
    values: [
      session.sessionId,
      session.playerId,
      JSON.stringify(session.encounter),
      JSON.stringify(session.state),
      session.startedAt,
      session.completedAt ?? null,
      revision,
      Object.keys(extra).length ? JSON.stringify(extra) : null,
    ],
  }
}
