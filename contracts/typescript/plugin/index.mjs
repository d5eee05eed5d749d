// The store as a plugin of the engine. The package session-store-client must be installed where this folder finds it: in the
// engine's node_modules, or beside this file. The plugin's id is the manifest's `name`, which may be changed there.
import { readFileSync } from 'node:fs'
import { SessionStorePlugin } from 'session-store-client'

const { name } = JSON.parse(readFileSync(new URL('plugin.json', import.meta.url), 'utf8'))

class Plugin extends SessionStorePlugin {
  getMetadata() {
    return { ...super.getMetadata(), name }
  }
}

export default Plugin
export { Plugin as 'postgres-storage', Plugin as 'session-store' }
