import { type Keyring, replyContent, type SignatureFault, type Signed } from './signing.js'
import { SIGNATURE_HEADER } from './topology.js'

/** Signs and verifies messages of one exchange; without keys it signs nothing and accepts every reply. */
export class MessageSigner {
  readonly #keyring: Keyring
  readonly #exchange: string

  constructor(keyring: Keyring, exchange: string) {
    this.#keyring = keyring
    this.#exchange = exchange
  }

  /** Returns the headers that a message takes with its signature. */
  sign(content: Omit<Signed, 'exchange'>): { [name: string]: string } {
    if (this.#keyring.isEmpty) return {}
    return { [SIGNATURE_HEADER]: this.#keyring.sign({ ...content, exchange: this.#exchange }) }
  }

  /** Returns the fault of a reply's signature, or nothing. */
  findFault(correlationId: string, body: Buffer, signature: unknown): SignatureFault | undefined {
    if (this.#keyring.isEmpty) return undefined
    return this.#keyring.findFault(signature, replyContent(this.#exchange, correlationId, body))
  }
}
