import { RejectedError } from './errors.js'
import { MAX_ECHO } from './limits.js'
import type { DeadLetterCode } from './messages.js'

const NOT_PRINTABLE = /[^ -~]/g

/** Throws RejectedError in the worker's words: the field, the rule it breaks, and at most 80 characters of its value. */
export function reject(code: DeadLetterCode, path: string, rule: string, value: unknown): never {
  throw new RejectedError(code, `${path} ${rule} (got ${echo(value)})`)
}

/** Returns an invalid value in at most 80 characters of ASCII; of an object or array only which of them it is. */
export function echo(value: unknown): string {
  if (typeof value === 'object' && value !== null) return kindOf(value)
  const json = typeof value === 'string' ? JSON.stringify([...value].slice(0, MAX_ECHO).join('')) : String(value)
  const text = json.replace(NOT_PRINTABLE, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return text.length <= MAX_ECHO ? text : `${text.slice(0, MAX_ECHO - 3)}...`
}

/** Returns the kind of a value in JSON: `an object`, `an array`, `a string` and so on. */
export function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' && value !== null ? 'an object' : `a ${typeof value}`
}
