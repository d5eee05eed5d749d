import { RejectedError } from './errors.js'

const DEEPEST = 64
const CONTROL = /\p{Cc}/u
const TIME = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,6}0*)?(?:[Zz]|[+-]\d\d:\d\d)$/

/**
 * Throws RejectedError for a session that the worker would refuse, as far as that can be told from here.
 *
 * For writes that nobody waits for: the refusal would reach no caller, and a read would wait for the write.
 */
export function checkSession(session: unknown): void {
  if (!isObject(session)) throw new RejectedError('bad_schema', 'the session must be an object')
  for (const name of ['sessionId', 'playerId']) checkId(name, session[name])
  for (const name of ['encounter', 'state']) {
    if (!isObject(session[name])) throw new RejectedError('bad_schema', `${name} must be an object`)
  }
  checkTime('startedAt', session.startedAt)
  if (session.completedAt !== undefined && session.completedAt !== null) checkTime('completedAt', session.completedAt)
  checkContent(session, 3) // the session is within the event's data, within the event
}

function isObject(value: unknown): value is { [name: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function checkId(name: string, id: unknown): void {
  if (typeof id !== 'string') throw new RejectedError('bad_schema', `${name} must be a string`)
  if (!id || [...id].length > 255 || CONTROL.test(id)) {
    throw new RejectedError('bad_id', `${name} must be 1 to 255 characters without control characters`)
  }
}

function checkTime(name: string, time: unknown): void {
  const text = time instanceof Date ? JSON.parse(JSON.stringify(time)) : time
  if (typeof text !== 'string') throw new RejectedError('bad_schema', `${name} must be a string`)
  if (!TIME.test(text) || Number.isNaN(Date.parse(text))) {
    throw new RejectedError('bad_time', `${name} must be an RFC 3339 date and time with an offset`)
  }
}

function checkContent(value: unknown, depth: number): void {
  if (typeof value === 'string' && value.includes('\0')) {
    throw new RejectedError('nul_character', 'must not contain the character U+0000')
  }
  if (typeof value !== 'object' || value === null || value instanceof Date) return
  if (depth > DEEPEST) throw new RejectedError('too_deep', `must not be nested deeper than ${DEEPEST}`)
  for (const [name, inner] of Object.entries(value)) {
    checkContent(name, depth + 1)
    checkContent(inner, depth + 1)
  }
}
