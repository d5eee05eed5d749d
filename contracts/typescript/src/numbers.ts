import { randomUUID } from 'node:crypto'
import { RejectedError, UnreadableNumberError } from './errors.js'

const MARK = `integer ${randomUUID()} `
const MARKED = new RegExp(`"${MARK}(-?\\d+)"`, 'g')
const LONG_NUMBER = /-?\d[\d.]{15,}(?:[eE][+-]?\d+)?/g
const TEXT_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

/**
 * Returns the JSON of a value; a bigint is written as the integer it is.
 * Throws RejectedError: `bad_number` for NaN and the infinities, which JSON would turn into null, `too_deep` for
 * nesting without end, `bad_json` for anything else that JSON has no words for.
 */
export function encode(value: unknown): Buffer {
  let marked = false
  const text = stringify(value, (name, item: unknown) => {
    if (typeof item === 'number' && !Number.isFinite(item)) {
      throw new RejectedError('bad_number', `${name} is ${item}, which JSON has no number for`)
    }
    if (typeof item !== 'bigint') return item
    marked = true
    return `${MARK}${item}`
  })
  return Buffer.from(marked ? text.replace(MARKED, '$1') : text)
}

function stringify(value: unknown, replacer: (name: string, item: unknown) => unknown): string {
  try {
    return JSON.stringify(value, replacer)
  } catch (error) {
    if (error instanceof RejectedError) throw error
    if (error instanceof RangeError) throw new RejectedError('too_deep', 'must not be nested deeper than 64')
    throw new RejectedError('bad_json', `cannot be written as JSON: ${error}`)
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
