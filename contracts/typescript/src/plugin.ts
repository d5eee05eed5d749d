import { ClosedError } from './errors.js'
import type { Session } from './messages.js'
import type { SessionStoreOptions } from './options.js'
import type { IStorageProvider } from './provider.js'
import { SessionStore } from './store.js'

/** What the engine hands a plugin; only its configuration is used. */
export interface PluginContext {
  config: SessionStoreOptions
}

/** What a plugin says of itself. */
export interface PluginMetadata {
  id: string
  name: string
  version: string
  type: 'storage'
}

/** The store in the shape of an engine's plugin, so that users of the original change a configuration file alone. */
export class SessionStorePlugin<S extends object = Session> {
  #store: SessionStore<S> | undefined

  /** Returns what the plugin is. */
  getMetadata(): PluginMetadata {
    return { id: 'session-store', name: 'Session store over RabbitMQ', version: '0.1.0', type: 'storage' }
  }

  /** Takes the configuration. */
  async initialize(context: PluginContext): Promise<void> {
    this.#store = new SessionStore<S>(context.config)
  }

  /** Connects; resolves once a worker has answered. */
  async activate(): Promise<void> {
    await this.#given().initialize()
  }

  /** Leaves the connection closed. */
  async deactivate(): Promise<void> {
    await this.#store?.shutdown()
  }

  /** As `deactivate`; twice is fine. */
  async shutdown(): Promise<void> {
    await this.deactivate()
  }

  /** Resolves with whether a worker answers and reaches its database. */
  async healthCheck(): Promise<boolean> {
    return (await this.#store?.healthCheck()) ?? false
  }

  /** Returns the storage to use. */
  getStorageProvider(): IStorageProvider<S> {
    return this.#given()
  }

  #given(): SessionStore<S> {
    if (!this.#store) throw new ClosedError('initialize the plugin first')
    return this.#store
  }
}
