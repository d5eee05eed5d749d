import { checkContent, encode } from './encoding.js'
import { RejectedError } from './errors.js'
import { MAX_IDENTIFIER_CHARACTERS } from './limits.js'
import { kindOf, reject } from './refusals.js'
import { timestampFault } from './timestamps.js'
import { type DELETE_KEY, type ERASE_KEY, EVENT_CONTENT_TYPE, type WRITE_KEY } from './topology.js'

const CONTROL = /\p{Cc}/u
const HALF_PAIR = /\p{Surrogate}/u
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const SESSION_NAME = Buffer.from(',"session":')
const ENDS = Buffer.from('}}') // of `data`, and of the event
const FIELDS = {
  sessionId: 'a string',
  playerId: 'a string',
  encounter: 'an object',
  state: 'an object',
  startedAt: 'a string',
  completedAt: 'a string',
}

/**
 * A message to publish; `call` names it in errors. A persistent message survives a restart of the broker. Another one is
 * worth nothing after its deadline. A message that repeats is published again when no reply comes for a while, and not only
 * after a loss.
 */
export interface OutgoingMessage {
  body: Buffer
  routingKey: string
  contentType: string
  persistent: boolean
  repeats: boolean
  call: string
}

/** An event of a session or a player; only a write has a `session`, which is JSON. The same `eventId` is the same event. */
export interface OutgoingEvent {
  type: typeof WRITE_KEY | typeof DELETE_KEY | typeof ERASE_KEY
  subject: string
  revision: number
  expectedRevision: number | null
  eventId: string
  session?: Buffer
}

/** The source of a client's events, and the most bytes that one may have. */
export interface EventOptions {
  source: string
  bodyLimit: number
}

/**
 * Returns the message that carries an event as a CloudEvent. Throws RejectedError where JSON cannot hold an equal value, and
 * where the body exceeds the limit.
 */
export function eventMessage(event: OutgoingEvent, { source, bodyLimit }: EventOptions): OutgoingMessage {
  const { type, subject, revision, expectedRevision, session } = event
  const data = { revision, expectedRevision }
  const time = new Date().toISOString()
  const envelope = encode({ specversion: '1.0', id: event.eventId, source, type, subject, time, data })
  const body = session ? Buffer.concat([envelope.subarray(0, -2), SESSION_NAME, session, ENDS]) : envelope
  if (body.length > bodyLimit) {
    throw new RejectedError('too_large', `the body has ${body.length} bytes; ${bodyLimit} are allowed`)
  }
  return {
    body,
    routingKey: type,
    contentType: EVENT_CONTENT_TYPE,
    persistent: true,
    repeats: true,
    call: `${type} of ${subject}`,
  }
}

/** Returns the id of a session; throws RejectedError where the session is no object. */
export function sessionIdOf(session: { sessionId?: unknown }): string {
  if (typeof session !== 'object' || session === null || Array.isArray(session)) {
    reject('bad_schema', 'data.session', 'must be an object', session)
  }
  return String(session.sessionId)
}

/**
 * Throws RejectedError for a write that the worker would reject, as far as the client can know; given as its JSON.
 *
 * For queued writes: no caller would learn of the rejection, and a read would wait for the write.
 */
export function checkEvent(body: Buffer): void {
  const event = JSON.parse(body.toString())
  const { revision, session } = event.data
  checkFields(session)
  if (!UUID.test(event.id)) reject('bad_id', 'id', 'must be a UUID of 36 characters', event.id)
  checkId('subject', event.subject)
  if (!Number.isSafeInteger(revision) || revision < 1) {
    reject('bad_revision', 'data.revision', 'must be an integer from 1 to 2^53-1', revision)
  }
  checkId('data.session.playerId', session.playerId)
  checkTime('data.session.startedAt', session.startedAt)
  if (typeof session.completedAt === 'string') checkTime('data.session.completedAt', session.completedAt)
  checkContent(event, 1)
}

function checkFields(session: { [name: string]: unknown }): void {
  for (const [name, kind] of Object.entries(FIELDS)) {
    const [path, value] = [`data.session.${name}`, session[name]]
    if (name === 'completedAt' && (value === undefined || value === null)) continue
    if (value === undefined) throw new RejectedError('bad_schema', `${path} is missing`)
    if (kindOf(value) !== kind) reject('bad_schema', path, `must be ${kind}`, value)
  }
}

/** Whether a session can have this id. */
export function isPossibleId(id: unknown): id is string {
  return typeof id === 'string' && id !== '' && !isUnusable(id) && !HALF_PAIR.test(id)
}

function isUnusable(id: string): boolean {
  return [...id].length > MAX_IDENTIFIER_CHARACTERS || CONTROL.test(id)
}

function checkId(path: string, id: string): void {
  if (!id || isUnusable(id)) {
    reject('bad_id', path, 'must be 1 to 255 characters without control characters', id)
  }
}

function checkTime(path: string, text: string): void {
  const fault = timestampFault(text)
  if (fault) reject('bad_time', path, fault, text)
}
