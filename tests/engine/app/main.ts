// The engine: `node main.js`. Its first line on stdout is the port on which it answers.
import type { AddressInfo } from 'node:net'
import { SessionStore, type SessionStoreOptions } from 'session-store-client'
import type { IStorageProvider, Session } from './engine.js'
import { FileStorage } from './file-storage.js'
import { LastWriterStorage } from './last-writer-storage.js'
import { loadPlugins, type Plugin, storageOf, unloadPlugins } from './plugins.js'
import { serverOf } from './server.js'

const { ENGINE_STORAGE = 'file', ENGINE_FOLDER = 'sessions', ENGINE_OPTIONS = '{}' } = process.env
const plugins: Plugin[] = []

async function storageNamed(name: string): Promise<IStorageProvider> {
  const options: SessionStoreOptions = JSON.parse(ENGINE_OPTIONS)
  switch (name) {
    case 'file':
      return new FileStorage(ENGINE_FOLDER)
    case 'session-store':
      return new SessionStore<Session>(options)
    case 'last-writer':
      return new LastWriterStorage(options)
    case 'plugin':
      plugins.push(...(await loadPlugins(ENGINE_FOLDER)))
      return storageOf(plugins) ?? new FileStorage(ENGINE_FOLDER)
    default:
      throw new Error(`no such storage: ${name}`)
  }
}

const storage = await storageNamed(ENGINE_STORAGE)
try {
  await storage.initialize()
} catch (error) {
  console.error(error)
  process.exit(1)
}
const server = serverOf(storage)
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
process.once('SIGTERM', async () => {
  server.close()
  server.closeAllConnections()
  await (plugins.length > 0 ? unloadPlugins(plugins) : storage.shutdown())
})
