import { ClosedError } from './errors.js'
import type { Session } from './messages.js'
import type { SessionStoreOptions } from './options.js'
import type { IStorageProvider } from './provider.js'
import { SessionStore } from './store.js'

/** The context that the engine gives a plugin; only its configuration is used. */
export interface PluginContext {
  config: SessionStoreOptions
}

/** The plugin's own description. */
export interface PluginMetadata {
  id: string
  name: string
  version: string
  type: 'storage'
}

/** The store in the shape of an engine's plugin, so that users of the original change a configuration file alone. */
export class SessionStorePlugin<S extends object = Session> {
  #store: SessionStore<S> | undefined

  /** Returns the plugin's description. */
  getMetadata(): PluginMetadata {
    return { id: 'session-store', name: 'Session store over RabbitMQ', version: '0.1.0', type: 'storage' }
  }

  /** Takes the configuration; throws MisconfiguredError for an invalid one. */
  async initialize(context: PluginContext): Promise<void> {
    this.#store = new SessionStore<S>(context.config)
  }

  /** Connects; resolves once a worker has replied. */
  async activate(): Promise<void> {
    await this.#initialized().initialize()
  }

  /** Closes the connection. */
  async deactivate(): Promise<void> {
    await this.#store?.shutdown()
  }

  /** Does the same as `deactivate`; twice is fine. */
  async shutdown(): Promise<void> {
    await this.deactivate()
  }

  /** Resolves with whether a worker replies and reaches its database. */
  async healthCheck(): Promise<boolean> {
    return (await this.#store?.healthCheck()) ?? false
  }

  /** Returns the storage to use. */
  getStorageProvider(): IStorageProvider<S> {
    return this.#initialized()
  }

  #initialized(): SessionStore<S> {
    if (!this.#store) throw new ClosedError('initialize the plugin first')
    return this.#store
  }
}
