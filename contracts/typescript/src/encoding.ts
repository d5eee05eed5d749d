import { randomUUID } from 'node:crypto'
import { types } from 'node:util'
import { RejectedError, UnreadableNumberError } from './errors.js'
import { MAX_DEPTH, MAX_INTEGER, MIN_INTEGER } from './limits.js'

const MARK = `integer ${randomUUID()} `
const MARKED = new RegExp(`"${MARK}(-?\\d+)"`, 'g')
const OBJECT_SOURCE = Function.prototype.toString.call(Object)
/** What to write in place of an object that JSON has no form for; the first that is true of it counts. */
const INSTEAD: [(item: object) => boolean, string][] = [
  [types.isMap, 'Object.fromEntries(map)'],
  [types.isSet, '[...set]'],
  [types.isPromise, 'what it resolves to: an `await` is missing'],
  [
    (item) => types.isArrayBufferView(item) || types.isAnyArrayBuffer(item),
    "its text, as Buffer.from(bytes).toString('base64') makes it",
  ],
  [types.isNativeError, 'its message'],
  [types.isRegExp, 'its source'],
  [(item) => Symbol.iterator in item, 'an array of what it gives, or Object.fromEntries of its pairs'],
]
/** JSON.stringify writes this for half of a surrogate pair, and for nothing else. */
const HALF_SURROGATE_PAIR = /(?<!\\)(?:\\\\)*\\ud[89a-f]/
const LONG_NUMBER = /-?\d[\d.]{15,}(?:[eE][+-]?\d+)?/g
const TEXT_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

/**
 * Returns the JSON of a value. A bigint becomes an integer, a date its text, and an undefined property is left out. Throws
 * RejectedError for values that JSON would change or drop silently: `bad_number` for NaN, the infinities and integers beyond
 * 64 bits, `bad_time` for an invalid date, `too_deep` for nesting without end, `bad_json` for functions, symbols, an undefined
 * item of an array, half of a surrogate pair and every object that is neither plain nor an array, unless its `toJSON` returns
 * what can be written. The error names the place.
 */
export function encode(value: unknown): Buffer {
  let marked = false
  const text = stringify(value, function (this: Holder, name, item: unknown) {
    checkItem(item, this[name], Array.isArray(this), () => placeOf(value, this, name))
    if (typeof item !== 'bigint') return item
    marked = true
    return `${MARK}${item}`
  })
  if (HALF_SURROGATE_PAIR.test(text)) throw notJson('a text holds half of a surrogate pair')
  return Buffer.from(marked ? text.replace(MARKED, '$1') : text)
}

type Holder = { [name: string]: unknown }

/** Throws RejectedError for an item that JSON.stringify would change or drop; `original` is what `toJSON` made it of. */
function checkItem(item: unknown, original: unknown, inArray: boolean, place: () => string): void {
  switch (typeof item) {
    case 'number':
      if (Number.isFinite(item)) return
      throw new RejectedError('bad_number', `${place()} is ${item}, which JSON has no number for`)
    case 'bigint':
      if (item >= MIN_INTEGER && item <= MAX_INTEGER) return
      throw new RejectedError('bad_number', 'holds a number that would not come back equal')
    case 'function':
    case 'symbol':
      throw notJson(`${place()} is a ${typeof item}`)
    case 'undefined':
      if (inArray) throw notJson(`${place()} is undefined`)
      return
    case 'object':
      if (item !== null) checkObject(item, place)
      else if (isInvalidDate(original)) throw new RejectedError('bad_time', `${place()} is an invalid date`)
  }
}

function checkObject(item: object, place: () => string): void {
  if (types.isNumberObject(item)) checkItem(Number(item), item, false, place)
  else if (!isWritten(item))
    throw notJson(`${place()} is an instance of ${kindOfObject(item)}; write ${insteadOf(item)}`)
}

function isWritten(item: object): boolean {
  return Array.isArray(item) || isPlain(item) || types.isStringObject(item) || types.isBooleanObject(item)
}

function insteadOf(item: object): string {
  return INSTEAD.find(([applies]) => applies(item))?.[1] ?? '{ ...it }, or give its class a toJSON()'
}

/** Whether the prototype is null or the Object.prototype of any realm, so that all that the object holds are its properties. */
function isPlain(item: object): boolean {
  const prototype = Object.getPrototypeOf(item)
  if (prototype === null || prototype === Object.prototype) return true
  if (Object.getPrototypeOf(prototype) !== null || !Object.hasOwn(prototype, 'constructor')) return false
  const maker = prototype.constructor
  return typeof maker === 'function' && Function.prototype.toString.call(maker) === OBJECT_SOURCE
}

function kindOfObject(item: object): string {
  const tag = Object.prototype.toString.call(item).slice('[object '.length, -1)
  return tag === 'Object' ? item.constructor?.name || tag : tag
}

/** Returns the place of an item as `data.session.state.bag[2]`; searched for once an error names it. */
function placeOf(value: unknown, holder: object, name: string): string {
  const places = new Map<unknown, string>()
  let found = name
  function note(this: Holder, key: string, item: unknown): unknown {
    const inside = places.get(this) ?? ''
    const place = Array.isArray(this) ? `${inside}[${key}]` : inside && key ? `${inside}.${key}` : key
    places.set(item, place)
    if (key !== name || this !== holder) return item
    found = place
    throw new Error('found')
  }
  try {
    JSON.stringify(value, note)
  } catch {} // found, or a toJSON that makes another object each time
  return found || 'it'
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
  return types.isDate(value) && Number.isNaN(value.getTime())
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
