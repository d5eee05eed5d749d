import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { decode, encode } from '../src/encoding.js'
import { RejectedError, UnreadableNumberError } from '../src/index.js'

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

test.each([
  ['bad_number', 2n ** 64n],
  ['bad_number', new Number(Number.NaN)],
  ['bad_time', new Date(Number.NaN)],
  ['bad_json', () => 1],
  ['bad_json', Symbol('a')],
  ['bad_json', [undefined, 1]],
  ['bad_json', new Map([['a', 1]])],
  ['bad_json', Promise.resolve(1)],
  ['bad_json', '\ud83c'],
  ['bad_json', { '\\\udfb2': 1 }],
])('what JSON would change or leave out is rejected: %s', (code, value) => {
  expect(() => encode({ value })).toThrow(expect.objectContaining({ code }))
})

class Bag {
  readonly #things = ['sword']
  get size() {
    return this.#things.length
  }
}

class Purse {
  readonly #coins = 7
  toJSON() {
    return { coins: this.#coins }
  }
}

function* once() {
  yield 1
}

test.each<[string, object, string]>([
  ['Bag', new Bag(), 'toJSON()'],
  ['Map', new Map([['a', 1]]), 'Object.fromEntries'],
  ['Map', runInNewContext("new Map([['a', 1]])"), 'Object.fromEntries'],
  ['Set', new Set([1]), '[...set]'],
  ['Uint8Array', new Uint8Array([1]), 'base64'],
  ['ArrayBuffer', new ArrayBuffer(1), 'base64'],
  ['DataView', new DataView(new ArrayBuffer(1)), 'base64'],
  ['FormData', new FormData(), 'Object.fromEntries'],
  ['Headers', new Headers({ a: '1' }), 'Object.fromEntries'],
  ['Generator', once(), 'an array'],
  ['Array Iterator', [1].values(), 'an array'],
  ['Promise', Promise.resolve(1), 'await'],
  ['Error', new Error('a'), 'message'],
  ['RegExp', /a/, 'source'],
  ['BigInt', Object(1n), 'write'],
  ['Symbol', Object(Symbol('a')), 'write'],
])('a %s, of which JSON would keep nothing, is rejected with its place and what to write', (kind, item, instead) => {
  const attempt = () => encode({ data: { session: { state: { bags: [{}, { bag: item }] } } } })
  expect(attempt).toThrow(expect.objectContaining({ code: 'bad_json' }))
  expect(attempt).toThrow(`data.session.state.bags[1].bag is an instance of ${kind}; write `)
  expect(attempt).toThrow(instead)
})

test('plain objects of any realm, arrays, boxed values and whatever has a toJSON are written', () => {
  const foreign = runInNewContext('({ at: new Date(0), items: [1, { a: true }] })')
  const bare = Object.assign(Object.create(null), { a: 1 })
  const written = encode({
    foreign,
    bare,
    purse: new Purse(),
    text: new String('a'),
    url: new URL('http://h/'),
    bytes: Buffer.from('a'),
  })
  expect(read(written.toString())).toEqual({
    foreign: { at: '1970-01-01T00:00:00.000Z', items: [1, { a: true }] },
    bare: { a: 1 },
    purse: { coins: 7 },
    text: 'a',
    url: 'http://h/',
    bytes: { type: 'Buffer', data: [97] },
  })
  expect(() => encode({ at: runInNewContext('new Date(NaN)') })).toThrow(
    expect.objectContaining({ code: 'bad_time' }),
  )
})

test('an object that is made of another one hides what that one holds', () => {
  expect(() => encode({ state: Object.create({ hidden: 1 }) })).toThrow('state is an instance of Object')
})

test('the place is named of an object that is there twice, and beside a circle', () => {
  const shared: { inner?: object; bag?: Bag } = { bag: new Bag() }
  expect(() => encode({ one: [1], two: { shared }, three: shared })).toThrow('two.shared.bag is an instance of Bag')
  shared.inner = shared
  expect(() => encode({ one: [1], two: { shared } })).toThrow('two.shared.bag is an instance of Bag')
})

test('a circle is nesting without end', () => {
  const circle: { inner?: object } = {}
  circle.inner = [circle]
  expect(() => encode(circle)).toThrow(expect.objectContaining({ code: 'too_deep' }))
})

test.each(['\ud83c\udfb2', '\\ud83c', '\\\\ud83c \ud83c\udfb2'])(
  'whole pairs and backslashes are text: %j',
  (text) => {
    expect(read(encode({ [text]: text }).toString())).toEqual({ [text]: text })
  },
)

test('a property that is undefined is left out, and a date is its text', () => {
  expect(read(encode({ gone: undefined, at: new Date(0) }).toString())).toEqual({ at: '1970-01-01T00:00:00.000Z' })
})
