import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** A way to the broker that can be cut, closed and made to hang. */
export class Relay {
  readonly #sockets = new Set<Socket>()
  readonly #server: Server
  readonly #target: URL
  #port = 0

  constructor(target: string) {
    this.#target = new URL(target)
    this.#server = createServer((client) => this.#forward(client))
  }

  /** Resolves with the URL to use instead of the broker's. */
  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (this.#server.address() as AddressInfo).port
    const url = new URL(this.#target)
    url.host = `127.0.0.1:${this.#port}`
    return url.href
  }

  /** Resets every connection; later ones are served. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Resets every connection and refuses later ones until `open`. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.cut()
    await closed
  }

  /** Forwards nothing more on what is connected. */
  hang(): void {
    for (const socket of this.#sockets) socket.unpipe()
  }

  #forward(client: Socket): void {
    const broker = connect(Number(this.#target.port || 5672), this.#target.hostname)
    for (const [from, to] of [
      [client, broker],
      [broker, client],
    ] as const) {
      this.#sockets.add(from)
      from.on('error', () => undefined)
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
      from.pipe(to)
    }
  }
}
