import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import type { BrokerAddress } from './address.js'
import { MisconfiguredError } from './errors.js'

/** The options of a URL that name files, and Node's name of each. */
const FILES = { cafile: 'ca', certfile: 'cert', keyfile: 'key' } as const

/**
 * Returns the TLS options of an amqps:// URL: the authority to trust in place of the system's, and the client's certificate
 * and key, from the files that the URL names. They are read at each connection, so a renewed one needs no restart.
 * Throws MisconfiguredError for a file that cannot be read.
 */
export function tlsOptions(address: BrokerAddress, host: string): { [name: string]: Buffer | string } {
  if (address.scheme !== 'amqps') return {}
  const found: { [name: string]: Buffer | string } = isIP(host) ? { servername: '' } : {} // RFC 6066 has names alone
  for (const [name, option] of Object.entries(FILES)) {
    const path = address.options.get(name)
    if (path) found[option] = read(name, path)
  }
  return found
}

function read(name: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new MisconfiguredError(`${name} of the url cannot be read: ${(error as Error).message}`, { cause: error })
  }
}
