// The plugin inside the engine: no broker, one upsert a session, as many at once as it has connections.
import { createInterface } from 'node:readline'
import pg from 'pg'
import { upsertOf } from './upsert.mjs'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 })
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

async function write() {
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    await pool.query(upsertOf(JSON.parse(line.value)))
  }
}
await Promise.all(Array.from({ length: 10 }, write))
await new Promise((resolve) => setInterval(resolve, 60_000)) // until ended, as the others
