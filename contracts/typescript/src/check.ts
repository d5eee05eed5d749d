import { checkContent } from './content.js'
import { RejectedError } from './errors.js'
import type { DeadLetterCode } from './messages.js'
import { faultOfMoment } from './moment.js'

const MOST_SHOWN = 80
const CONTROL = /\p{Cc}/u
const NOT_SHOWN = /[^ -~]/g
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const FIELDS = {
  sessionId: 'a string',
  playerId: 'a string',
  encounter: 'an object',
  state: 'an object',
  startedAt: 'a string',
  completedAt: 'a string',
}

type Json = { [name: string]: unknown }

/**
 * Throws RejectedError for a write that the worker would refuse, as far as that can be told from here; given as it is said
 * in JSON.
 *
 * For writes that nobody waits for: the refusal would reach no caller, and a read would wait for the write.
 */
export function checkWrite(body: Buffer): void {
  const event = JSON.parse(body.toString())
  const { revision, session } = event.data
  checkKinds(session)
  if (!UUID.test(event.id)) refuse('bad_id', 'id', 'must be a UUID of 36 characters', event.id)
  checkId('subject', event.subject)
  if (!Number.isSafeInteger(revision) || revision < 1) {
    refuse('bad_revision', 'data.revision', 'must be an integer from 1 to 2^53-1', revision)
  }
  checkId('data.session.playerId', session.playerId)
  checkTime('data.session.startedAt', session.startedAt)
  if (typeof session.completedAt === 'string') checkTime('data.session.completedAt', session.completedAt)
  checkContent(event, 1)
}

function checkKinds(session: Json): void {
  for (const [name, kind] of Object.entries(FIELDS)) {
    const [path, value] = [`data.session.${name}`, session[name]]
    if (name === 'completedAt' && (value === undefined || value === null)) continue
    if (value === undefined) throw new RejectedError('bad_schema', `${path} is missing`)
    if (kindOf(value) !== kind) refuse('bad_schema', path, `must be ${kind}`, value)
  }
}

function checkId(path: string, id: string): void {
  if (!id || [...id].length > 255 || CONTROL.test(id)) {
    refuse('bad_id', path, 'must be 1 to 255 characters without control characters', id)
  }
}

function checkTime(path: string, text: string): void {
  const fault = faultOfMoment(text)
  if (fault) refuse('bad_time', path, fault, text)
}

/** Says it as the worker does: the field, the rule it breaks, and at most 80 characters of its value. */
export function refuse(code: DeadLetterCode, path: string, rule: string, value: unknown): never {
  throw new RejectedError(code, `${path} ${rule} (got ${shown(value)})`)
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' && value !== null ? 'an object' : `a ${typeof value}`
}

/** Returns a refused value in at most 80 characters of ASCII; of an object or array only that it is one. */
export function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return kindOf(value)
  const told = typeof value === 'string' ? JSON.stringify([...value].slice(0, MOST_SHOWN).join('')) : String(value)
  const text = told.replace(NOT_SHOWN, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return text.length <= MOST_SHOWN ? text : `${text.slice(0, MOST_SHOWN - 3)}...`
}
