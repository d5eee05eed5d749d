import { RejectedError } from './errors.js'

const DEEPEST = 64

/** Throws RejectedError for content at this depth that is nested too deeply, or holds the character U+0000. */
export function checkContent(value: unknown, depth: number): void {
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
