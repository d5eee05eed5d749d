import { randomUUID } from 'node:crypto'
import { RejectedError } from './errors.js'
import { encode } from './numbers.js'
import type { Outgoing } from './wire.js'

/** What an event says, beside its own id. */
export interface Change {
  type: 'session.write' | 'session.delete' | 'player.erase'
  subject: string
  data: { revision: number; expectedRevision?: number | null; session?: unknown }
}

/** Of whom events are, and how many bytes one may have. */
export interface Origin {
  source: string
  bodyLimit: number
}

/**
 * Returns a change as a CloudEvents message; the same id again is the same event. Throws RejectedError where JSON would
 * not say the same, or in too many bytes.
 */
export function eventOf(change: Change, { source, bodyLimit }: Origin, id: string = randomUUID()): Outgoing {
  const { type, subject, data } = change
  const body = encode({ specversion: '1.0', id, source, type, subject, time: new Date().toISOString(), data })
  if (body.length > bodyLimit) {
    throw new RejectedError('too_large', `the body has ${body.length} bytes; ${bodyLimit} are allowed`)
  }
  return {
    body,
    routingKey: type,
    contentType: 'application/cloudevents+json',
    persistent: true,
    what: `${type} of ${subject}`,
  }
}
