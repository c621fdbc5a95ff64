import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** Serves one video at every path, with ranges, and fails as it is told. */
export interface VideoServer {
  readonly url: string;
  bytes: Buffer;
  /** What the next requests get: so many bytes and then nothing until `cut`; for 0, a broken connection. */
  limits: number[];
  /** Cuts all connections. What a client has not read by then may be lost. */
  cut(): void;
  /** Replaced, or removed if undefined, in every answer. */
  headers: Record<string, string | undefined>;
  /** `Range` of each request, in their order. */
  readonly ranges: (string | undefined)[];
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export async function startVideoServer(): Promise<VideoServer> {
  const server = createServer((incoming, outgoing) => answer(video, incoming, outgoing));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  });
  const video: VideoServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bytes: Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * index) % 251)),
    limits: [],
    cut: () => server.closeAllConnections(),
    headers: {},
    ranges: [],
  };
  return video;
}

function answer(video: VideoServer, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const { range, 'if-range': ifRange } = incoming.headers;
  video.ranges.push(range);
  const { bytes } = video;
  const etag = `"${sha256(bytes)}"`;
  const start = range !== undefined && ifRange === etag ? Number(/^bytes=(\d+)-$/.exec(range)?.[1]) : 0;
  const headers = {
    'content-type': 'video/mp4',
    'content-length': String(bytes.length - start),
    etag,
    ...(start > 0 ? { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {}),
    ...video.headers,
  };
  const given = Object.entries(headers).filter(
    (header): header is [string, string] => typeof header[1] === 'string',
  );
  outgoing.writeHead(start > 0 ? 206 : 200, Object.fromEntries(given));
  const limit = video.limits.shift();
  if (limit === undefined) outgoing.end(bytes.subarray(start));
  else if (limit === 0) outgoing.destroy();
  else outgoing.write(bytes.subarray(start, start + limit));
}
