import { randomUUID } from 'node:crypto'
import { RejectedError, UnreadableNumberError } from './errors.js'
import { MAX_DEPTH, MAX_INTEGER, MIN_INTEGER } from './limits.js'

const MARK = `integer ${randomUUID()} `
const MARKED = new RegExp(`"${MARK}(-?\\d+)"`, 'g')
/** JSON.stringify writes an empty object for these; a promise is one of them where an `await` is missing. */
const WRITTEN_AS_EMPTY = [Map, Set, WeakMap, WeakSet, RegExp, Error, Promise]
/** JSON.stringify writes this for half of a surrogate pair, and for nothing else. */
const HALF_SURROGATE_PAIR = /(?<!\\)(?:\\\\)*\\ud[89a-f]/
const LONG_NUMBER = /-?\d[\d.]{15,}(?:[eE][+-]?\d+)?/g
const TEXT_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

/**
 * Returns the JSON of a value. A bigint becomes an integer, a date its text, and an undefined property is left out. Throws
 * RejectedError for values that JSON would change or drop silently: `bad_number` for NaN, the infinities and integers beyond
 * 64 bits, `bad_time` for an invalid date, `too_deep` for nesting without end, `bad_json` for functions, symbols, maps, sets
 * and the like, for an undefined item of an array, half of a surrogate pair and whatever else JSON cannot hold.
 */
export function encode(value: unknown): Buffer {
  let marked = false
  const text = stringify(value, function (this: Holder, name, item: unknown) {
    checkItem(name, item, this)
    if (typeof item !== 'bigint') return item
    marked = true
    return `${MARK}${item}`
  })
  if (HALF_SURROGATE_PAIR.test(text)) throw notJson('a text holds half of a surrogate pair')
  return Buffer.from(marked ? text.replace(MARKED, '$1') : text)
}

type Holder = { [name: string]: unknown }

function checkItem(name: string, item: unknown, holder: Holder): void {
  const place = Array.isArray(holder) ? `item ${name} of an array` : name
  switch (typeof item) {
    case 'number':
      if (Number.isFinite(item)) return
      throw new RejectedError('bad_number', `${place} is ${item}, which JSON has no number for`)
    case 'bigint':
      if (item >= MIN_INTEGER && item <= MAX_INTEGER) return
      throw new RejectedError('bad_number', 'holds a number that would not come back equal')
    case 'function':
    case 'symbol':
      throw notJson(`${place} is a ${typeof item}`)
    case 'string':
    case 'boolean':
      return
    case 'undefined':
      if (Array.isArray(holder)) throw notJson(`${place} is undefined`)
      return
    default:
      if (item instanceof Number) checkItem(name, item.valueOf(), holder)
      if (WRITTEN_AS_EMPTY.some((kind) => item instanceof kind))
        throw notJson(`${place} is a ${item?.constructor.name}`)
      if (item === null && isInvalidDate(holder[name]))
        throw new RejectedError('bad_time', `${place} is an invalid date`)
  }
}

/** Throws RejectedError for content at this depth that is nested too deeply, or holds the character U+0000. */
export function checkContent(value: unknown, depth: number): void {
  if (typeof value === 'string' && value.includes('\0')) {
    throw new RejectedError('nul_character', 'must not contain the character U+0000')
  }
  if (typeof value !== 'object' || value === null || value instanceof Date) return
  if (depth > MAX_DEPTH) throw new RejectedError('too_deep', `must not be nested deeper than ${MAX_DEPTH}`)
  for (const [name, inner] of Object.entries(value)) {
    checkContent(name, depth + 1)
    checkContent(inner, depth + 1)
  }
}

/** Whether this is an invalid date, for which JSON has null. */
export function isInvalidDate(value: unknown): boolean {
  return value instanceof Date && Number.isNaN(value.getTime())
}

function notJson(reason: string): RejectedError {
  return new RejectedError('bad_json', `cannot be written as JSON: ${reason}`)
}

function stringify(value: unknown, replacer: (this: Holder, name: string, item: unknown) => unknown): string {
  try {
    return JSON.stringify(value, replacer)
  } catch (error) {
    if (error instanceof RejectedError) throw error
    checkContent(value, 1) // a circle is nesting without end
    throw notJson(String(error))
  }
}

/**
 * Returns the value of a JSON text, every number equal to the one written there: an integer that a double would change
 * (most of those beyond 2^53) becomes a bigint. Throws UnreadableNumberError for any other number that a double would change.
 */
export function decode(body: Buffer): unknown {
  const text = body.toString()
  const numbers = text.match(LONG_NUMBER) ?? []
  if (numbers.every(isKept)) return JSON.parse(text)
  const marked = text.replace(TEXT_OR_NUMBER, (token) =>
    token.startsWith('"') || isKept(token) ? token : mark(token),
  )
  return JSON.parse(marked, (_, item: unknown) =>
    typeof item === 'string' && item.startsWith(MARK) ? BigInt(item.slice(MARK.length)) : item,
  )
}

function mark(number: string): string {
  if (!/^-?\d+$/.test(number)) throw new UnreadableNumberError(number)
  return `"${MARK}${number}"`
}

/** Whether JavaScript, given this number, would write it back equal. */
function isKept(number: string): boolean {
  const value = Number(number)
  if (Number.isSafeInteger(value) && String(value) === number) return true
  return canonical(number) === canonical(String(value))
}

/** Returns digits and exponent without the zeros around them: `1200`, `1.2e3` and `0.0012e6` are all `12e2`. */
function canonical(number: string): string {
  const [mantissa = '', exponent = '0'] = number.replace(/^-/, '').toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  const digits = (whole + fraction).replace(/^0+/, '')
  const kept = digits.replace(/0+$/, '')
  return kept && `${kept}e${Number(exponent) - fraction.length + digits.length - kept.length}`
}
