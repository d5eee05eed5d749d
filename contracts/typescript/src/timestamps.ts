const DATE = String.raw`(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])`
const TIME = String.raw`(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6}0*)?`
const OFFSET = String.raw`(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)`
const TIMESTAMP = new RegExp(`^${DATE}[Tt]${TIME}${OFFSET}$`)
const NAIVE = new RegExp(`^${DATE}[Tt ]${TIME}$`)
const LEAP_SECOND = new RegExp(String.raw`^${DATE}[Tt][0-9:]{6}60(?:\.\d+)?${OFFSET}$`)
const TOO_FINE = new RegExp(String.raw`^${DATE}[Tt][0-9:]{8}\.\d{7,}${OFFSET}$`)
const LEAST = Date.parse('0001-01-01T00:00:00Z')
const GREATEST = Date.parse('9999-12-31T23:59:59.999Z')

/** Returns the rule that a text breaks as an RFC 3339 timestamp of the years 1 to 9999, in the worker's words; or nothing. */
export function timestampFault(text: string): string | undefined {
  const [, year, month, day] = (TIMESTAMP.exec(text) ?? []).map(Number)
  if (year === undefined || month === undefined || day === undefined) return explain(text)
  if (year === 0) return 'names no moment: there is no year 0'
  if (day > daysOf(year, month)) return 'names no moment: the month has no such day'
  const moment = Date.parse(text.toUpperCase())
  return moment >= LEAST && moment <= GREATEST ? undefined : 'is outside the years 1 to 9999 in UTC'
}

function daysOf(year: number, month: number): number {
  return new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate() // the calendar repeats after 400 years
}

function explain(text: string): string {
  if (NAIVE.test(text)) return 'must have an offset from UTC, such as Z or +01:00'
  if (LEAP_SECOND.test(text)) return 'must not be in a leap second'
  if (TOO_FINE.test(text)) return 'must not be finer than a microsecond'
  return 'must be an RFC 3339 date and time with an offset'
}
