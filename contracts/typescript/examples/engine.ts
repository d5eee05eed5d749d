// A small engine: creates, plays, completes and queries sessions, whatever happens to the worker meanwhile.
import { randomUUID } from 'node:crypto'
import { type Session, SessionStore } from 'session-store-client'

const SESSIONS = 1_000
const AT_ONCE = 25
const OBJECTIVES = ['find the warehouse', 'talk to Marcus', 'return the cargo']

const url = process.env.AMQP_URL ?? 'amqp://guest:guest@localhost:5672'
const store = new SessionStore({ url, prefix: process.env.SESSION_STORE_PREFIX ?? '', timeoutMs: 30_000 })
const playerId = `player_${randomUUID()}`

async function play(number: number): Promise<void> {
  const session: Session = {
    sessionId: `sess_${playerId}_${number}`,
    playerId,
    encounter: { title: 'The Missing Shipment', difficulty: 'medium', objectives: OBJECTIVES },
    state: { objectivesCompleted: [] },
    startedAt: new Date().toISOString(),
  }
  await store.writeSession(session)
  for (let done = 1; done <= OBJECTIVES.length; done += 1) {
    const current = await store.readSession(session.sessionId)
    if (!current) throw new Error(`${session.sessionId} is lost`)
    await store.writeSession({ ...current, state: { objectivesCompleted: OBJECTIVES.slice(0, done) } })
  }
  const current = await store.readSession(session.sessionId)
  if (!current) throw new Error(`${session.sessionId} is lost`)
  await store.writeSession({ ...current, completedAt: new Date().toISOString() })
}

await store.initialize()
console.log('playing')
let next = 0
let played = 0
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (next < SESSIONS) {
      next += 1
      await play(next)
      played += 1
      if (played % 100 === 0) console.log(`played ${played}`)
    }
  }),
)
const completed = await store.querySessions({ playerId, completed: true })
const whole = completed.filter(
  (session) => (session.state.objectivesCompleted as string[]).length === OBJECTIVES.length,
)
console.log(`${whole.length} of ${SESSIONS} sessions completed with every objective`)
await store.shutdown()
process.exit(whole.length === SESSIONS ? 0 : 1)
