import { type Session, SessionStore, type SessionStoreOptions } from '../src/index.js'

function variable(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} must name a running installation; run these tests by make test`)
  return value
}

/** How to reach the installation that the tests run against. */
export function options(changed: Partial<SessionStoreOptions> = {}): SessionStoreOptions {
  const [url, prefix] = [variable('AMQP_URL'), variable('SESSION_STORE_PREFIX')]
  return { url, prefix, keys: process.env.SESSION_STORE_SIGNING_KEYS ?? '', timeoutMs: 20_000, ...changed }
}

/** A session of a player of its own. */
export function sessionOf(sessionId: string, state: Session['state'] = {}): Session {
  return {
    sessionId,
    playerId: sessionId,
    encounter: { difficulty: 'easy' },
    state,
    startedAt: '2025-11-07T10:30:00.000Z',
  }
}

/** Resolves with what the work on a store resolves with; the store is shut down then. */
export async function withStore<T>(work: (store: SessionStore) => Promise<T>, changed = {}): Promise<T> {
  const store = new SessionStore(options(changed))
  await store.initialize()
  try {
    return await work(store)
  } finally {
    await store.shutdown()
  }
}
