import { randomUUID } from 'node:crypto'
import { encode } from './numbers.js'
import type { Outgoing } from './wire.js'

/** What an event says, beside its own id. */
export interface Change {
  type: 'session.write' | 'session.delete' | 'player.erase'
  subject: string
  data: { revision: number; expectedRevision?: number | null; session?: unknown }
}

/** Returns a change as a CloudEvents message; the same id again is the same event. */
export function eventOf(change: Change, source: string, id: string = randomUUID()): Outgoing {
  const { type, subject, data } = change
  return {
    body: encode({ specversion: '1.0', id, source, type, subject, time: new Date().toISOString(), data }),
    routingKey: type,
    contentType: 'application/cloudevents+json',
    persistent: true,
    what: `${type} of ${subject}`,
  }
}
