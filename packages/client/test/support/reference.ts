import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** What the reference page documents, and nothing else: submit, query with four fields, download as JSON. */
export interface ReferenceServer {
  readonly url: string;
  /** Method and path of each request, in their order. */
  readonly seen: string[];
  /** The statuses that its queries answer with, in turn; the last one stays. */
  statuses: string[];
  /** Headers of its queries. */
  headers: Readonly<Record<string, string>>;
  /** Whether it refuses query parameters that it does not know. */
  strict: boolean;
  /** Whether a finished task has a link to its video. */
  links: boolean;
}

export const REFERENCE_VIDEO = Buffer.from('a video, as far as clients can tell');
const ID = 'video_69095b4ce0048190893a01510c0c98b0';
const JSON_TYPE = { 'content-type': 'application/json' };

export async function startReference(): Promise<ReferenceServer> {
  const server = createServer((incoming, outgoing) => void answer(reference, incoming, outgoing));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  });
  const reference: ReferenceServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: [],
    statuses: ['queued', 'in_progress', 'succeeded'],
    headers: {},
    strict: false,
    links: true,
  };
  return reference;
}

async function answer(reference: ReferenceServer, incoming: IncomingMessage, outgoing: ServerResponse) {
  const { pathname, searchParams } = new URL(incoming.url ?? '', reference.url);
  reference.seen.push(`${incoming.method} ${incoming.url}`);
  const send = (status: number, body: unknown, headers = {}) =>
    outgoing.writeHead(status, { ...JSON_TYPE, ...headers }).end(JSON.stringify(body));
  const refuse = (status: number, message: string) =>
    send(status, { error: { message, type: 'error', code: '' } });
  for await (const _ of incoming);

  if (pathname === '/files/video.mp4')
    return outgoing.writeHead(200, { 'content-type': 'video/mp4' }).end(REFERENCE_VIDEO);
  if (!incoming.headers.authorization?.startsWith('Bearer sk-')) return refuse(401, 'Invalid token');
  const route = `${incoming.method} ${pathname}`;
  if (route === 'POST /v1/video/generations')
    return send(200, { task_id: ID, status: 'queued', format: 'mp4' });
  if (route === 'GET /v1/video/generations/download') {
    const base64 = REFERENCE_VIDEO.toString('base64');
    const names = { success: true, generation_id: ID, task_id: ID, format: 'mp4' };
    return send(200, {
      ...names,
      size: REFERENCE_VIDEO.length,
      base64,
      data_url: `data:video/mp4;base64,${base64}`,
    });
  }
  if (route !== `GET /v1/video/generations/${ID}`) return refuse(404, `Invalid URL (${route})`);
  if (reference.strict && [...searchParams].length > 0) return refuse(400, 'unknown parameter');
  const status = reference.statuses.length > 1 ? reference.statuses.shift() : reference.statuses[0];
  const link = status === 'succeeded' && reference.links ? { url: `${reference.url}/files/video.mp4` } : {};
  const error =
    status === 'failed' ? { error: { code: 400, message: 'Prompt contains inappropriate content' } } : {};
  return send(200, { task_id: ID, status, format: 'mp4', ...link, ...error }, reference.headers);
}
