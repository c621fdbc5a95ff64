import type { IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { serve } from '../../support/servers/httpServer.ts';

// biome-ignore lint/suspicious/noExplicitAny: what went over the wire is looked into freely, and what is found is asserted
export type Json = any;

export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Json;
}

/** A server with scripted answers, for cases that no simulator produces on demand. */
export async function scripted(
  respond: (request: Received) => { status?: number; body?: unknown },
): Promise<{ baseUrl: string; received: Received[] }> {
  const received: Received[] = [];
  const { origin } = await serve(async (request, response) => {
    const text = (await buffer(request)).toString();
    const entry: Received = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
    received.push(entry);
    const { status = 200, body } = respond(entry);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body));
  });
  return { baseUrl: `${origin}/api/v3`, received };
}
