import { randomUUID } from 'node:crypto'
import { checkContent } from './content.js'
import { RejectedError, UnreadableNumberError } from './errors.js'

const MARK = `integer ${randomUUID()} `
const MARKED = new RegExp(`"${MARK}(-?\\d+)"`, 'g')
const LEAST = -(2n ** 63n)
const GREATEST = 2n ** 64n - 1n
/** Of these JSON.stringify makes an empty object; of a promise too, where an await is missing. */
const LEFT_EMPTY = [Map, Set, WeakMap, WeakSet, RegExp, Error, Promise]
/** What JSON.stringify writes for half of a surrogate pair, and for nothing else. */
const HALF_PAIR = /(?<!\\)(?:\\\\)*\\ud[89a-f]/
const LONG_NUMBER = /-?\d[\d.]{15,}(?:[eE][+-]?\d+)?/g
const TEXT_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

/**
 * Returns the JSON of a value; a bigint is written as the integer it is, a date as its text, and a property that is
 * undefined not at all. Throws RejectedError for what JSON would change or leave out without a word: `bad_number` for NaN,
 * the infinities and integers beyond 64 bits, `bad_time` for an invalid date, `too_deep` for nesting without end, `bad_json`
 * for functions, symbols, maps, sets and their like, an undefined item of an array, half of a surrogate pair and whatever else it has no
 * words for.
 */
export function encode(value: unknown): Buffer {
  let marked = false
  const text = stringify(value, function (this: Holder, name, item: unknown) {
    refuse(name, item, this)
    if (typeof item !== 'bigint') return item
    marked = true
    return `${MARK}${item}`
  })
  if (HALF_PAIR.test(text)) throw unsayable('a text holds half of a surrogate pair')
  return Buffer.from(marked ? text.replace(MARKED, '$1') : text)
}

type Holder = { [name: string]: unknown }

function refuse(name: string, item: unknown, holder: Holder): void {
  const place = Array.isArray(holder) ? `item ${name} of an array` : name
  switch (typeof item) {
    case 'number':
      if (Number.isFinite(item)) return
      throw new RejectedError('bad_number', `${place} is ${item}, which JSON has no number for`)
    case 'bigint':
      if (item >= LEAST && item <= GREATEST) return
      throw new RejectedError('bad_number', 'holds a number that would not come back equal')
    case 'function':
    case 'symbol':
      throw unsayable(`${place} is a ${typeof item}`)
    case 'undefined':
      if (Array.isArray(holder)) throw unsayable(`${place} is undefined`)
      return
    default:
      if (item instanceof Number) refuse(name, item.valueOf(), holder)
      if (LEFT_EMPTY.some((kind) => item instanceof kind)) throw unsayable(`${place} is a ${item?.constructor.name}`)
      if (item === null && isInvalid(holder[name])) throw new RejectedError('bad_time', `${place} is an invalid date`)
  }
}

/** Whether this is a date that names no moment, which JSON makes null of. */
export function isInvalid(value: unknown): boolean {
  return value instanceof Date && Number.isNaN(value.getTime())
}

function unsayable(reason: string): RejectedError {
  return new RejectedError('bad_json', `cannot be written as JSON: ${reason}`)
}

function stringify(value: unknown, replacer: (this: Holder, name: string, item: unknown) => unknown): string {
  try {
    return JSON.stringify(value, replacer)
  } catch (error) {
    if (error instanceof RejectedError) throw error
    checkContent(value, 1) // a circle is nesting without end
    throw unsayable(String(error))
  }
}

/**
 * Returns what JSON says, with every number equal to the one written there: an integer that a double would change
 * (most of those beyond 2^53) becomes a bigint. Throws UnreadableNumberError for another number of that kind.
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
