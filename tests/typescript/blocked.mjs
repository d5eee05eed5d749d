// Writes to a broker that is made to take nothing after `ready`, and prints how many bytes two more rounds left here.
import { SessionStore } from './dist/esm/index.js'
const { AMQP_URL: url, SESSION_STORE_PREFIX: prefix } = process.env
const store = new SessionStore({ url, prefix, timeoutMs: 1_500 })
const session = { sessionId: 'large', playerId: 'a', encounter: {}, startedAt: '2025-11-07T10:30:00.000Z' }
const write = () => store.writeSession({ ...session, state: { notes: 'x'.repeat(500_000) } })
const tryMany = () => Promise.allSettled(Array.from({ length: 40 }, write))
async function held() {
  await tryMany()
  globalThis.gc()
  return process.memoryUsage().arrayBuffers
}
await store.initialize()
console.log('ready')
for (let isBlocked = false; !isBlocked; ) isBlocked = await write().then(() => false, () => true)
const before = await held()
await held()
console.log(await held() - before)
await store.shutdown()
