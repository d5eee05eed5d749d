import { expect, test } from 'vitest'
import { RejectedError, UnreadableNumberError } from '../src/index.js'
import { decode, encode } from '../src/numbers.js'

function read(text: string): unknown {
  return decode(Buffer.from(text))
}

test.each(['9007199254740993', '-9223372036854775808', '18446744073709551615', '1152921504606846976'])(
  'the integer %s, which a double would change, is read and written back as it is',
  (text) => {
    const value = read(`{"state": {"id": ${text}}}`)
    expect(value).toEqual({ state: { id: BigInt(text) } })
    expect(encode(value).toString()).toBe(`{"state":{"id":${text}}}`)
  },
)

test.each([0.1, 1 / 3, 5e-324, 1e300, 1e20, 2 ** 60, 2 ** 53 - 1, -0.000001234567890123456])(
  'the number %d comes back equal, however it is written out',
  (value) => {
    expect(read(encode([value]).toString())).toEqual([value])
    if (Number.isInteger(value))
      expect(read(`[${value.toLocaleString('en', { useGrouping: false })}]`)).toEqual([value])
  },
)

test('a tiny number written out in full is a number', () => {
  expect(read(`[0.${'0'.repeat(323)}5, 0.00000000000000000000]`)).toEqual([5e-324, 0])
})

test.each(['0.12345678901234567890123', `1${'0'.repeat(400)}.5`])(
  '%s, which JavaScript cannot hold, is said so',
  (text) => {
    expect(() => read(`[${text}]`)).toThrow(UnreadableNumberError)
  },
)

test('digits in text are text', () => {
  const text = '12345678901234567890 "\\ 0.12345678901234567890123'
  expect(read(JSON.stringify({ [text]: text }))).toEqual({ [text]: text })
  expect(read(`{"a": ${JSON.stringify(text)}, "b": 9007199254740993}`)).toEqual({ a: text, b: 9007199254740993n })
})

test('long text beside a long integer is read', () => {
  const text = '"\\x'.repeat(300_000)
  expect(read(`[${JSON.stringify(text)}, 9007199254740993]`)).toEqual([text, 9007199254740993n])
})

test.each([Number.NaN, Number.POSITIVE_INFINITY])('%d is rejected, not turned into null', (value) => {
  expect(() => encode({ score: value })).toThrow(RejectedError)
})
