import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { IStorageProvider } from './engine.js'
import { type Answer, Handlers } from './handlers.js'

type Route = [method: string, path: RegExp, answer: (handlers: Handlers, ...words: string[]) => Promise<Answer>]

const ROUTES: Route[] = [
  ['POST', /^\/players\/([^/]+)\/sessions$/, (handlers, player) => handlers.createSession(player)],
  ['GET', /^\/players\/([^/]+)\/sessions$/, (handlers, player) => handlers.listSessions(player)],
  ['GET', /^\/sessions\/([^/]+)$/, (handlers, id) => handlers.readSession(id)],
  ['DELETE', /^\/sessions\/([^/]+)$/, (handlers, id) => handlers.deleteSession(id)],
  ['POST', /^\/sessions\/([^/]+)\/complete$/, (handlers, id) => handlers.completeSession(id)],
  [
    'POST',
    /^\/sessions\/([^/]+)\/objectives\/(\d+)$/,
    (handlers, id, number) => handlers.completeObjective(id, Number(number)),
  ],
  ['POST', /^\/sessions\/([^/]+)\/npcs\/([^/]+)$/, (handlers, id, npc) => handlers.talkTo(id, npc)],
  ['GET', /^\/health$/, (handlers) => handlers.health()],
]

/** Returns an HTTP server of the handlers on this storage; an error of a handler is answered 500. */
export function serverOf(storage: IStorageProvider): Server {
  const handlers = new Handlers(storage)
  return createServer(async (request, response) => send(response, await answer(handlers, request)))
}

async function answer(handlers: Handlers, request: IncomingMessage): Promise<Answer> {
  request.resume()
  const path = decodeURIComponent(request.url ?? '/')
  for (const [method, pattern, handle] of ROUTES) {
    const words = method === request.method && pattern.exec(path)
    if (words) return handle(handlers, ...words.slice(1)).catch(failed)
  }
  return { status: 404, body: { error: 'no such route' } }
}

function failed(error: unknown): Answer {
  return { status: 500, body: { error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) } }
}

function send(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
