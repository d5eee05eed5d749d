import { createHmac, timingSafeEqual } from 'node:crypto'
import { DIRECT_REPLY, REPLY_KEY } from './topology.js'

const HEADER = /^v1;([A-Za-z0-9_.-]{1,64});([0-9]{1,15});([0-9a-f]{64})$/
const KEY_ID = /^[A-Za-z0-9_.-]{1,64}$/
const SECRET = /^[!-~]{32,}$/

/** Why a signature does not count. */
export type SignatureFault = 'unsigned' | 'malformed' | 'unknown_key' | 'wrong'

/** The content that a signature covers beside its version, key id and time; a property that is absent is empty. */
export interface Signed {
  exchange: string
  routingKey: string
  messageId: string
  correlationId: string
  replyTo: string
  deadline: string
  body: Uint8Array
}

/** Secrets by the ids of their keys: the first signs, all of them verify. It never shows a secret. */
export class Keyring {
  readonly #secrets = new Map<string, string>()

  /** Takes a text like `k2:secret k1:secret`. Throws TypeError that names the invalid one and its fault. */
  constructor(text: string) {
    for (const [place, pair] of text
      .split(/[\s,]+/)
      .filter(Boolean)
      .entries()) {
      const colon = pair.indexOf(':')
      const id = pair.slice(0, Math.max(colon, 0))
      if (!KEY_ID.test(id)) throw new TypeError(`key ${place + 1} must be id:secret`)
      if (!SECRET.test(pair.slice(colon + 1))) {
        throw new TypeError(`the secret of key ${id} must have at least 32 visible characters of ASCII`)
      }
      if (this.#secrets.has(id)) throw new TypeError(`key ${id} is there twice`)
      this.#secrets.set(id, pair.slice(colon + 1))
    }
  }

  /** Whether there is no key. */
  get isEmpty(): boolean {
    return this.#secrets.size === 0
  }

  /** Returns the header's value; `now` is in milliseconds since the epoch. There must be a key. */
  sign(content: Signed, now = Date.now()): string {
    const [[id, secret] = ['', '']] = this.#secrets
    const moment = String(Math.floor(now))
    return `v1;${id};${moment};${hmac(secret, id, moment, content).toString('hex')}`
  }

  /** Returns the fault of a header's value, compared in constant time; its age is not judged. */
  findFault(header: unknown, content: Signed): SignatureFault | undefined {
    if (header === undefined || header === null) return 'unsigned'
    const [, id = '', moment = '', code = ''] = (typeof header === 'string' && HEADER.exec(header)) || []
    if (!code) return 'malformed'
    const secret = this.#secrets.get(id)
    if (secret === undefined) return 'unknown_key'
    return timingSafeEqual(hmac(secret, id, moment, content), Buffer.from(code, 'hex')) ? undefined : 'wrong'
  }
}

/** Returns the content that the signature of a reply covers. */
export function replyContent(exchange: string, correlationId: string, body: Uint8Array): Signed {
  return { exchange, routingKey: REPLY_KEY, messageId: '', correlationId, replyTo: '', deadline: '', body }
}

/** Returns the content that the signature of a message of the changes feed covers. */
export function changeContent(exchange: string, routingKey: string, body: Uint8Array): Signed {
  return { exchange, routingKey, messageId: '', correlationId: '', replyTo: '', deadline: '', body }
}

function hmac(secret: string, id: string, moment: string, content: Signed): Buffer {
  const { exchange, routingKey, messageId, correlationId, deadline, body } = content
  const replyTo = content.replyTo.startsWith(DIRECT_REPLY) ? DIRECT_REPLY : content.replyTo
  const texts = ['v1', id, moment, exchange, routingKey, messageId, correlationId, replyTo, deadline]
  const head = texts.map((text) => `${Buffer.byteLength(text)}:${text},`).join('')
  return createHmac('sha256', secret).update(`${head}${body.length}:`).update(body).update(',').digest()
}
