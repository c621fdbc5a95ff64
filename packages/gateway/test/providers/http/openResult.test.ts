import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { Agent } from 'undici';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openResult } from '../../../src/providers/http/openResult.ts';
import { NotResumable, UpstreamError } from '../../../src/providers/provider.ts';
import { readAll } from '../../support/http/readAll.ts';
import { createManualTimers } from '../../support/manualTimers.ts';
import { serve } from '../../support/servers/httpServer.ts';

async function storage(listener: RequestListener) {
  const dispatcher = new Agent({ connections: 4 });
  onTestFinished(() => dispatcher.destroy());
  const { origin, requests } = await serve(listener);
  const clock = createManualTimers();
  const open = (path = '/', offset = 0) =>
    openResult(`${origin}${path}`, {
      dispatcher,
      headers: { 'x-account': 'ours' },
      offset,
      signal: AbortSignal.timeout(10_000),
      scrub: (text) => text.replaceAll('secret', '[secret]'),
      clock,
    });
  const failure = async (path?: string, offset?: number) => {
    const error = await open(path, offset).catch((thrown: unknown) => thrown);
    if (error instanceof UpstreamError) return error;
    throw new Error(`not an UpstreamError: ${error}`);
  };
  return { open, failure, requests, clock, origin: () => origin };
}

describe('a result', () => {
  it.each([400, 403, 404, 410])('is lost if the storage answers %i', async (status) => {
    const { failure } = await storage((_request, response) => response.writeHead(status).end());
    expect((await failure()).reason).toBe('result_lost');
  });

  it('is lost after a 401 only if no credentials were sent, because others may open it', async () => {
    const { failure, origin } = await storage(({ url }, response) => {
      if (url === '/moved')
        response.writeHead(302, { location: `http://localhost:${new URL(origin()).port}/` }).end();
      else response.writeHead(401).end();
    });
    expect((await failure('/')).reason).toBe('auth_failed');
    expect((await failure('/moved')).reason).toBe('result_lost');
  });

  it.each(['http://', 'http://[::1', 'https://a b/'])(
    'may return after a redirect to %j, which is no address',
    async (location) => {
      const { failure } = await storage((_request, response) => response.writeHead(302, { location }).end());
      expect(await failure()).toMatchObject({
        reason: 'upstream_unavailable',
        detail: `the result redirects to something that is no address: ${location}`,
      });
    },
  );

  it.each([304, 402, 405, 408, 416, 500, 503])('may return if the storage answers %i', async (status) => {
    const { failure } = await storage((_request, response) => response.writeHead(status).end());
    expect((await failure()).reason).toBe('upstream_unavailable');
  });

  it('is unavailable if a 416 comes for its beginning', async () => {
    const { failure } = await storage((_request, response) =>
      response.writeHead(416, { 'content-range': 'bytes */0' }).end(),
    );
    expect((await failure()).detail).toMatch(/^416 when fetching/);
  });

  it('is refused with a message without secrets, and with the time to wait', async () => {
    const { failure } = await storage((_request, response) =>
      response.writeHead(429, { 'retry-after': '7' }).end(`no secret ${'x'.repeat(1000)}`),
    );
    const error = await failure();
    expect(error).toMatchObject({ reason: 'rate_limited', retryAfterMs: 7000 });
    expect(error.detail).toMatch(/^429 when fetching the result: no \[secret\] x+$/);
    expect(error.detail?.length).toBeLessThan(400);
  });

  it('computes the time to wait with the given clock', async () => {
    const { failure, clock } = await storage((_request, response) => {
      const date = new Date(clock.now() + 9000).toUTCString();
      response.writeHead(503, { 'retry-after': date }).end();
    });
    expect(await failure()).toMatchObject({ retryAfterMs: 9000 - (clock.now() % 1000) });
    const silent = await storage((_request, response) => response.writeHead(503).end());
    expect((await silent.failure()).retryAfterMs).toBeUndefined();
  });

  it.each([301, 302, 303, 307, 308])('is found behind a redirect of status %i', async (status) => {
    const { open, requests } = await storage((request, response) => {
      if (request.url === '/there') response.end('video');
      else response.writeHead(status, { location: '/there' }).end();
    });
    expect(String(await readAll((await open()).stream))).toBe('video');
    expect(requests.map(({ url }) => url)).toEqual(['/', '/there']);
  });

  it('is found behind five redirects but not behind six', async () => {
    const { open, failure } = await storage((request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) response.end('video');
      else response.writeHead(302, { location: `/${left - 1}` }).end();
    });
    expect(String(await readAll((await open('/5')).stream))).toBe('video');
    expect(await failure('/6')).toMatchObject({
      reason: 'upstream_unavailable',
      detail: 'the result redirects too often',
    });
  });

  it('is not found if a redirect has no target', async () => {
    const { failure, requests } = await storage((_request, response) => response.writeHead(302).end());
    expect((await failure()).reason).toBe('upstream_unavailable');
    expect(requests).toHaveLength(1);
  });

  it('is requested without a range from the beginning, and with one from an offset', async () => {
    const { open, requests } = await storage((_request, response) => response.end('video'));
    for (const offset of [0, 1]) (await open('/', offset)).stream.resume();
    expect(requests.map(({ headers }) => [headers.range, headers['x-account']])).toEqual([
      [undefined, 'ours'],
      ['bytes=1-', 'ours'],
    ]);
  });

  it('has a length only if the answer tells it', async () => {
    const { open } = await storage((request, response) => {
      if (request.url === '/chunks') {
        response.write('vid');
        response.end('eo');
      } else if (request.url === '/part') {
        response.writeHead(206, { 'content-range': 'bytes 3-4/*', 'content-length': 2 }).end('eo');
      } else response.writeHead(200, { 'content-length': 5 }).end('video');
    });
    for (const [path, offset, bytes] of [
      ['/chunks', 0, undefined],
      ['/whole', 0, 5],
      // The total is not told, but the part reaches the end.
      ['/part', 3, 5],
    ] as const) {
      const opened = await open(path, offset);
      opened.stream.resume();
      expect([path, opened.offset, opened.bytes]).toEqual([path, offset, bytes]);
    }
  });

  it('continues where the answer says that its part begins', async () => {
    const { open } = await storage((_request, response) =>
      response.writeHead(206, { 'content-range': 'bytes 12-119/120' }).end('x'),
    );
    const opened = await open('/', 12);
    opened.stream.resume();
    expect([opened.offset, opened.bytes]).toEqual([12, 120]);
  });

  it.each(['kilobytes 12-19/20', 'bytes 12-19/20x', 'bytes 12-/20', 'bytes x-19/20', 'bytes 12-19/x'])(
    'cannot be continued if the range has another form: %s',
    async (range) => {
      const { failure } = await storage((_request, response) =>
        response.writeHead(206, { 'content-range': range }).end('x'),
      );
      expect(await failure('/', 12)).toBeInstanceOf(NotResumable);
    },
  );

  it.each([
    { etag: '"a"' },
    { etag: 'W/"a"', 'last-modified': 'yesterday' },
    { 'last-modified': 'today' },
    {},
  ])('has the strong tag of the bytes as its version, or else their time: %j', async (headers) => {
    const { open } = await storage((_request, response) => response.writeHead(200, headers).end('x'));
    const { stream, version } = await open();
    stream.resume();
    const { etag, 'last-modified': modified } = headers as Record<string, string>;
    expect(version).toBe(etag?.startsWith('"') ? etag : modified);
  });

  it('that breaks off before anybody reads it is only an error of its stream', async () => {
    const { open } = await storage((_request, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('x', () => response.destroy());
    });
    const { stream } = await open();
    await new Promise((resolve) => stream.once('close', resolve));
    expect(stream.errored).toBeInstanceOf(Error);
  });

  it('fails like a call if the connection breaks', async () => {
    const { failure } = await storage((request) => void request.socket.destroy());
    expect(await failure()).toMatchObject({ reason: 'upstream_unavailable', created: 'unknown' });
  });
});

describe('the memory of pieces', () => {
  const VIDEO = randomBytes(2 ** 20);

  /** Reads a result, and frees each piece before it takes the next. */
  async function readAndFree(path: string) {
    const { open } = await storage((request, response) => {
      if (request.url === '/whole') {
        response.writeHead(200, { 'content-length': VIDEO.length }).end(VIDEO);
        return;
      }
      for (let at = 0; at < VIDEO.length; at += 1000) response.write(VIDEO.subarray(at, at + 1000));
      response.end();
    });
    const { stream, free } = await open(path);
    const copies: Buffer[] = [];
    let freed = 0;
    for await (const piece of stream) {
      copies.push(Buffer.from(piece));
      free?.(piece);
      // Once more does no harm.
      free?.(piece);
      if (piece.buffer.detached) freed += 1;
    }
    return { bytes: Buffer.concat(copies), freed };
  }

  it('is freed before the next piece is read', async () => {
    const { bytes, freed } = await readAndFree('/whole');
    expect(bytes.equals(VIDEO)).toBe(true);
    expect(freed).toBeGreaterThan(0);
  });

  it('is kept while others share it, as the chunks of one read do', async () => {
    expect((await readAndFree('/chunks')).bytes.equals(VIDEO)).toBe(true);
    const { open } = await storage((_request, response) => response.end('video'));
    const { stream, free } = await open();
    stream.resume();
    const shared = Buffer.from(new ArrayBuffer(10), 1, 9);
    free?.(shared);
    expect(shared.length).toBe(9);
  });
});
