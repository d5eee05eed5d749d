import { domainToASCII } from 'node:url'
import { MisconfiguredError } from './errors.js'
import { MAX_PORT, RULE } from './urls.js'

const URL_PARTS = /^(?<scheme>[A-Za-z]+):\/\/(?<authority>[^/?#]*)(?<path>\/[^?#]*)?(?:\?(?<query>[^#]*))?$/su
const HOST = /^(?:\[(?<six>[0-9A-Fa-f:.]+(?:%[^\]]+)?)\]|(?<name>[^:[\]]*))(?::(?<port>[0-9]*))?$/su
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are refused
const UNREADABLE = /[\u0000-\u001f\u007f\ud800-\udfff]/u
const MAX_LABEL = 63

/** A host of the broker; without a port the one of its scheme. */
export interface BrokerHost {
  hostname: string
  port?: number
}

/** The parts of a broker's URL, percent-decoded; a part that is not there is undefined. */
export interface BrokerAddress {
  scheme: 'amqp' | 'amqps'
  user: string | undefined
  password: string | undefined
  hosts: BrokerHost[]
  vhost: string | undefined
  options: Map<string, string>
}

/**
 * Returns the parts of a URL with one host, or several with commas, in the order written; the last of equal options counts.
 * Throws MisconfiguredError, with no part of the text, for everything that has two readings or names no host.
 */
export function readAddress(text: string): BrokerAddress {
  const { scheme, authority = '', path, query = '' } = URL_PARTS.exec(text)?.groups ?? {}
  if (!/^amqps?:\/\//.test(text)) throw refusal('must be an amqp:// or amqps:// URL')
  if ((scheme !== 'amqp' && scheme !== 'amqps') || UNREADABLE.test(text)) throw refusal(RULE)
  const at = authority.lastIndexOf('@')
  const login = authority.slice(0, Math.max(at, 0))
  const isCutShort = at < 0 && `${path}${query}`.includes('@') // a raw / or ? in a password
  if (/[@[\]]/.test(login) || path?.includes('@') || isCutShort) throw refusal(RULE)
  const colon = login.indexOf(':')
  return {
    scheme,
    user: at < 0 ? undefined : decode(colon < 0 ? login : login.slice(0, colon)),
    password: colon < 0 ? undefined : decode(login.slice(colon + 1)),
    hosts: readHosts(authority.slice(at + 1)),
    vhost: path === undefined ? undefined : decode(path.slice(1)),
    options: new Map(query.split('&').filter(Boolean).map(readOption)),
  }
}

function readHosts(text: string): BrokerHost[] {
  const hosts = text.split(',').map(readHost)
  if (hosts.length > 1 && hosts.some(({ hostname }) => !hostname))
    throw refusal('must name a host before and after each comma')
  if (!hosts[0]?.hostname) throw refusal('must name a host')
  return hosts
}

function readHost(text: string): BrokerHost {
  const { six, name = '', port } = HOST.exec(text)?.groups ?? refuse()
  const hostname = six ?? checkName(decode(name))
  if (!port) return { hostname }
  const number = /^[0-9]{1,5}$/.test(port) ? Number(port) : 0
  return number > 0 && number <= MAX_PORT ? { hostname, port: number } : refuse()
}

function checkName(host: string): string {
  const labels = domainToASCII(host).replace(/\.$/, '').split('.')
  if (host && !labels.every((label) => label && label.length <= MAX_LABEL)) {
    throw refusal('cannot be read: one of its hosts is not the name of a host')
  }
  return host
}

function readOption(text: string): [string, string] {
  const equals = text.indexOf('=')
  return equals < 0 ? refuse() : [decode(text.slice(0, equals)), decode(text.slice(equals + 1))]
}

function decode(text: string): string {
  const decoded = decodePercent(text)
  if (decoded.includes('\0')) throw refusal('cannot be read: it has a NUL character (%00)')
  return decoded
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text.replace(/%(?![0-9A-Fa-f]{2})/g, '%25'))
  } catch {
    throw refusal('cannot be read: its percent-encoded text is not UTF-8')
  }
}

function refuse(): never {
  throw refusal(RULE)
}

function refusal(reason: string): MisconfiguredError {
  return new MisconfiguredError(`url ${reason}`)
}
