import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { IStorageProvider } from './engine.js'

interface Manifest {
  name: string
  version: string
  main: string
  description?: string
  config?: Record<string, unknown>
}

export interface PluginContext {
  config: Record<string, unknown>
}

export interface PluginMetadata {
  name: string
  version: string
  description: string
}

export interface Plugin {
  getMetadata(): PluginMetadata
  initialize(context: PluginContext): Promise<void>
  activate(): Promise<void>
  deactivate(): Promise<void>
  shutdown(): Promise<void>
}

export interface StoragePlugin extends Plugin {
  getStorageProvider(): IStorageProvider
}

/** Loads, initializes and activates the plugins of a folder. One that throws is logged and never activated again. */
export async function loadPlugins(folder: string): Promise<Plugin[]> {
  const active: Plugin[] = []
  for (const name of (await readdir(folder)).sort()) {
    try {
      active.push(await activated(join(folder, name)))
    } catch (error) {
      console.error(`plugin ${name}:`, error)
    }
  }
  return active
}

async function activated(folder: string): Promise<Plugin> {
  const manifest: Manifest = JSON.parse(await readFile(join(folder, 'plugin.json'), 'utf8'))
  const module = await import(pathToFileURL(join(folder, manifest.main)).href)
  const Class = module.default ?? module[manifest.name]
  if (typeof Class !== 'function') throw new TypeError(`${manifest.main} exports no class`)
  const plugin: Plugin = new Class()
  await plugin.initialize({ config: manifest.config ?? {} })
  await plugin.activate()
  return plugin
}

/** Deactivates and ends plugins. */
export async function unloadPlugins(plugins: Plugin[]): Promise<void> {
  for (const plugin of plugins) {
    await plugin.deactivate()
    await plugin.shutdown()
  }
}

/** Returns the storage of the first plugin that has one. */
export function storageOf(plugins: Plugin[]): IStorageProvider | undefined {
  return plugins.find((plugin): plugin is StoragePlugin => 'getStorageProvider' in plugin)?.getStorageProvider()
}
