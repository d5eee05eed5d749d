import { ClosedError } from './errors.js'
import type { Session } from './messages.js'
import type { SessionStoreOptions } from './options.js'
import type { IStorageProvider } from './provider.js'
import { SessionStore } from './store.js'

/** The context that the engine gives a plugin; only its configuration is used: the options of a `SessionStore`. */
export interface PluginContext {
  config: object
}

/** The plugin's own description. `name` is its id. */
export interface PluginMetadata {
  name: string
  version: string
  description: string
  type: 'storage'
}

const METADATA: PluginMetadata = {
  name: 'session-store',
  version: '0.1.0',
  description: 'Sessions in PostgreSQL through RabbitMQ',
  type: 'storage',
}

/** The store of a plugin: an engine ends where its storage cannot be initialized, but the plugin goes on trying. */
class PluginStorage<S extends object> extends SessionStore<S> {
  override async initialize(): Promise<void> {
    this.open()
  }
}

/** The store in the shape of an engine's plugin, so that users of the original change a configuration file alone. */
export class SessionStorePlugin<S extends object = Session> {
  #store: PluginStorage<S> | undefined

  /** Returns the plugin's description. */
  getMetadata(): PluginMetadata {
    return METADATA
  }

  /** Takes the configuration; throws MisconfiguredError for an invalid one. */
  async initialize(context: PluginContext): Promise<void> {
    this.#store = new PluginStorage<S>(context.config as SessionStoreOptions)
  }

  /**
   * Connects. Where no worker replies, it says so once and goes on trying: the engine never activates a plugin again. Until a
   * worker replies the plugin is unhealthy, and calls wait up to their deadline.
   */
  async activate(): Promise<void> {
    const store = this.#initialized()
    store.open()
    try {
      await store.health()
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      console.warn(`${METADATA.name}: no worker replies yet, trying on: ${reason}`)
    }
  }

  /** Closes the connection. */
  async deactivate(): Promise<void> {
    await this.#store?.shutdown()
  }

  /** Does the same as `deactivate`; twice is fine. */
  async shutdown(): Promise<void> {
    await this.deactivate()
  }

  /** Resolves within 1 s with whether a worker replies and reaches its database. */
  async healthCheck(): Promise<boolean> {
    return (await this.#store?.healthCheck()) ?? false
  }

  /** Returns the storage to use; its `initialize` does not wait for a worker. Throws ClosedError before `initialize`. */
  getStorageProvider(): IStorageProvider<S> {
    return this.#initialized()
  }

  #initialized(): PluginStorage<S> {
    if (!this.#store) throw new ClosedError('initialize the plugin first')
    return this.#store
  }
}
