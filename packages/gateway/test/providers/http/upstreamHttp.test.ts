import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { UpstreamHttp } from '../../../src/providers/http/upstreamHttp.ts';
import { refusalError } from '../../../src/providers/mapping/errorTable.ts';
import { NotResumable, UpstreamError } from '../../../src/providers/provider.ts';
import { readAll } from '../../support/http/readAll.ts';
import { openHttpWhile } from '../../support/openHttp.ts';
import { sending } from '../../support/sending.ts';
import { serve } from '../../support/servers/httpServer.ts';

const SECRET = 'secret-of-the-account';

async function client(
  listener: RequestListener,
): Promise<{ http: UpstreamHttp; origin: string; requests: unknown[] }> {
  const server = await serve(listener);
  return { http: clientOf(server.origin), origin: server.origin, requests: server.requests };
}

function clientOf(baseUrl: string): UpstreamHttp {
  const http = openHttpWhile()({
    baseUrl,
    headers: () => ({ authorization: `Bearer ${SECRET}` }),
    secrets: [SECRET],
    refusal(body) {
      const { code, message } = (body ?? {}) as { code?: string; message?: string };
      return { ...(code ? { code } : {}), ...(message ? { message } : {}) };
    },
    error: (refusal) => refusalError([{ code: 'Inspection', reason: 'content_rejected' }], refusal),
  });
  onTestFinished(() => http.close());
  return http;
}

const signal = () => AbortSignal.timeout(10_000);
const post = (http: UpstreamHttp, at = signal()) =>
  http.call({ method: 'POST', path: '/tasks', json: { prompt: 'x' }, ...sending(at) });

it('a call that fails behind a proxy names it for the operator, without its credentials', async () => {
  const http = openHttpWhile(() => true, {
    httpProxy: 'http://user:pass@127.0.0.1:1',
    httpsProxy: 'http://user:pass@127.0.0.1:1',
    noProxy: ['direct.localhost'],
  });
  const of = (baseUrl: string) => {
    const client = http({
      baseUrl,
      headers: () => ({}),
      secrets: [],
      refusal: () => ({}),
      error: (refusal) => refusalError([], refusal),
    });
    onTestFinished(() => client.close());
    return failure(post(client));
  };
  for (const scheme of ['http', 'https']) {
    const error = await of(`${scheme}://api.example`);
    expect(error).toMatchObject({ reason: 'upstream_unavailable', created: 'no' });
    expect(error.detail).toContain('(through the proxy 127.0.0.1:1)');
    expect(error.message).not.toContain('127.0.0.1');
    expect(error.detail).not.toContain('pass');
  }
  expect((await of('http://direct.localhost:1')).detail).not.toContain('proxy');
});

async function failure(call: Promise<unknown>): Promise<UpstreamError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof UpstreamError) return error;
  throw new Error(`not an UpstreamError: ${error}`);
}

describe('a call upstream', () => {
  it('sends JSON with the credentials and reads JSON, over kept-alive connections', async () => {
    const ports = new Set<number | undefined>();
    const { http } = await client((request, response) => {
      ports.add(request.socket.remotePort);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ id: 1, auth: request.headers.authorization }));
    });
    for (let n = 0; n < 20; n++) expect((await post(http)).body).toEqual({ id: 1, auth: `Bearer ${SECRET}` });
    expect(ports.size).toBeLessThan(5);
  });

  it('with a clear refusal created nothing, and has a reason by the table', async () => {
    const { http } = await client((_request, response) => {
      response
        .writeHead(400)
        .end(JSON.stringify({ code: 'Inspection', message: 'Bad words. Request id: 0217abc' }));
    });
    const error = await failure(post(http));
    expect(error).toMatchObject({ reason: 'content_rejected', created: 'no', message: 'Bad words.' });
    expect(error.detail).toContain('0217abc');
  });

  it.each([408, 409, 500, 502, 503])('that is answered with %i may have created a job', async (status) => {
    const { http } = await client((_request, response) => response.writeHead(status).end('{}'));
    expect((await failure(post(http))).created).toBe('unknown');
  });

  it('that is rate limited says when to retry', async () => {
    const { http } = await client((_request, response) => {
      response.writeHead(429, { 'retry-after': '7' }).end('{}');
    });
    expect(await failure(post(http))).toMatchObject({
      reason: 'rate_limited',
      created: 'no',
      retryAfterMs: 7000,
    });
  });

  it('may stream its answer, and is refused like any other', async () => {
    const go = Promise.withResolvers<void>();
    const { http } = await client(async (request, response) => {
      if (request.url === '/no') {
        response.writeHead(400).end(JSON.stringify({ code: 'Inspection' }));
        return;
      }
      response.write('first');
      await go.promise;
      response.end(', last');
    });
    const { body } = await http.stream({ method: 'POST', path: '/tasks', json: {}, ...sending(signal()) });
    const [first] = await once(body, 'data');
    expect(String(first)).toBe('first');
    go.resolve();
    expect((await readAll(body)).toString()).toBe(', last');
    const refused = await failure(http.stream({ method: 'GET', path: '/no', signal: signal() }));
    expect(refused).toMatchObject({ reason: 'content_rejected', created: 'no' });
  });

  it('to a closed port created nothing', async () => {
    const server = await serve(() => {});
    const { port } = server;
    const gone = clientOf(`http://127.0.0.1:${port === 1 ? 2 : 1}`);
    expect(await failure(post(gone))).toMatchObject({ reason: 'upstream_unavailable', created: 'no' });
    expect(await failure(gone.upstreamTime())).toMatchObject({
      reason: 'upstream_unavailable',
      created: 'no',
    });
  });

  it('whose connection breaks may have created a job', async () => {
    const { http } = await client((request) => void request.socket.destroy());
    expect(await failure(post(http))).toMatchObject({ reason: 'upstream_unavailable', created: 'unknown' });
  });

  it('that the caller aborts may have created a job', async () => {
    const { http, requests } = await client(() => {});
    const givenUp = new AbortController();
    const outcome = failure(post(http, givenUp.signal));
    while (requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    givenUp.abort();
    expect(await outcome).toMatchObject({ reason: 'upstream_timeout', created: 'unknown' });
  });

  it('fails if the answer is not JSON', async () => {
    const { http } = await client((_request, response) => response.end('<html>Bad gateway</html>'));
    const error = await failure(post(http));
    expect(error).toMatchObject({ reason: 'upstream_unavailable', created: 'unknown' });
    expect(error.detail).toContain('<html>');
  });

  it('fails if the answer is endless', async () => {
    const { http } = await client((_request, response) => response.end('x'.repeat(2000)));
    const call = http.call({ method: 'GET', path: '/', signal: signal(), maxBytes: 1000 });
    expect((await failure(call)).detail).toContain('more than 1000 bytes');
  });

  it('never follows a redirect with the credentials and is never repeated', async () => {
    const { http, requests } = await client((_request, response) => {
      response.writeHead(307, { location: '/elsewhere' }).end('{}');
    });
    await failure(post(http));
    expect(requests).toHaveLength(1);
  });

  it('has no part of a secret in its message, wherever that is cut', async () => {
    const { http } = await client((_request, response) => {
      response.writeHead(500).end(`${'x'.repeat(290)}${SECRET}`);
    });
    expect((await failure(post(http))).detail).not.toContain('secret-of');
  });

  it.each(['Bearer abcdefgh.ijkl', 'ya29.abcdefgh', 'https://x.test/?X-Goog-Signature=abcdefgh'])(
    'has no token in its words: %s',
    async (token) => {
      const { http } = await client((_request, response) => {
        response.writeHead(400).end(JSON.stringify({ message: `Refused: ${token}` }));
      });
      expect((await failure(post(http))).detail).not.toContain('abcdefgh');
    },
  );

  it('has no secret in its message', async () => {
    const { http } = await client((_request, response) => {
      response.writeHead(401).end(JSON.stringify({ message: `Incorrect key ${SECRET}, see ?key=abc` }));
    });
    const { detail = '', message } = await failure(post(http));
    expect(detail + message).not.toContain(SECRET);
    expect(detail).toContain('[secret]');
    expect(detail).not.toContain('abc');
  });
});

describe('opening a result', () => {
  const VIDEO = Buffer.from('0123456789');
  const open = (http: UpstreamHttp, url: string, offset = 0, authorised = true) =>
    http.open(url, { offset, signal: signal(), authorised });

  it('starts at an offset if the service can, and otherwise at the beginning', async () => {
    const { http, origin } = await client((request, response) => {
      const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      if (request.url === '/whole' || !request.headers.range) {
        response.writeHead(200, { 'content-length': 10 }).end(VIDEO);
        return;
      }
      response
        .writeHead(206, { 'content-range': `bytes ${from}-9/10`, 'content-length': 10 - from })
        .end(VIDEO.subarray(from));
    });
    const part = await open(http, `${origin}/part`, 4);
    expect(part).toMatchObject({ offset: 4, bytes: 10 });
    expect((await readAll(part.stream)).toString()).toBe('456789');
    const whole = await open(http, `${origin}/whole`, 4);
    expect(whole).toMatchObject({ offset: 0, bytes: 10 });
    expect((await readAll(whole.stream)).toString()).toBe('0123456789');
  });

  it('is complete if nothing follows the offset', async () => {
    const { http, origin } = await client((_request, response) => {
      response.writeHead(416, { 'content-range': 'bytes */10' }).end();
    });
    const rest = await open(http, origin, 10);
    expect(rest).toMatchObject({ offset: 10, bytes: 10 });
    expect(await readAll(rest.stream)).toHaveLength(0);
  });

  it.each<[string, number, Record<string, string>, number | undefined]>([
    ['a 416 without a length', 416, {}, undefined],
    ['a 416 of a shorter video', 416, { 'content-range': 'bytes */7' }, 7],
    ['a part of which nobody says where it begins', 206, {}, undefined],
    ['a part in words that nobody knows', 206, { 'content-range': 'chapters 1-2/3' }, undefined],
  ])('cannot be resumed after %s', async (_what, status, headers, bytes) => {
    const { http, origin } = await client((_request, response) => {
      response.writeHead(status, headers).end();
    });
    const error: unknown = await open(http, origin, 10).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(NotResumable);
    expect(error).toMatchObject({ bytes });
  });

  it('has the version of the bytes', async () => {
    const { http, origin } = await client((request, response) => {
      const tag = request.url === '/weak' ? 'W/"a"' : '"a"';
      const modified = 'Sat, 28 Nov 2026 12:00:00 GMT';
      response
        .writeHead(200, request.url === '/none' ? {} : { etag: tag, 'last-modified': modified })
        .end(VIDEO);
    });
    for (const [path, version] of [
      ['/strong', '"a"'],
      ['/weak', 'Sat, 28 Nov 2026 12:00:00 GMT'],
      ['/none', undefined],
    ]) {
      const opened = await open(http, `${origin}${path}`);
      opened.stream.resume();
      expect(opened.version).toBe(version);
    }
  });

  it('has the length of the whole from a part that is sent in chunks', async () => {
    const { http, origin } = await client((_request, response) => {
      response.writeHead(206, { 'content-range': 'bytes 4-9/10' });
      response.write('45');
      response.end('6789');
    });
    const part = await open(http, origin, 4);
    part.stream.resume();
    expect(part).toMatchObject({ offset: 4, bytes: 10 });
  });

  it('follows redirects but sends the credentials to no other origin', async () => {
    const seen: (string | undefined)[] = [];
    const storage = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.end(VIDEO);
    });
    const { http, origin } = await client((request, response) => {
      seen.push(request.headers.authorization);
      const location = request.url === '/here' ? '/there' : `${storage.origin}/file`;
      response.writeHead(302, { location }).end();
    });
    const { stream } = await open(http, `${origin}/here`);
    expect(await readAll(stream)).toEqual(VIDEO);
    expect(seen).toEqual([`Bearer ${SECRET}`, `Bearer ${SECRET}`, undefined]);
  });

  it('fails if redirects do not end', async () => {
    const { http, origin } = await client((_request, response) =>
      response.writeHead(302, { location: '/' }).end(),
    );
    expect((await failure(open(http, origin))).detail).toContain('redirects too often');
  });

  it.each([
    [403, 'result_lost'],
    [404, 'result_lost'],
    [429, 'rate_limited'],
    [503, 'upstream_unavailable'],
  ])('that is answered with %i is %s', async (status, reason) => {
    const { http, origin } = await client((_request, response) => response.writeHead(status).end());
    expect((await failure(open(http, origin))).reason).toBe(reason);
  });

  it('reads only the beginning of a refusal', async () => {
    const { http, origin } = await client((_request, response) => {
      response.writeHead(404);
      const more = () => response.write('x'.repeat(65_536)) && setImmediate(more);
      response.on('drain', more);
      more();
    });
    expect((await failure(open(http, origin))).reason).toBe('result_lost');
  });

  it('sends no credentials to storage that needs none', async () => {
    let authorization: string | undefined = 'not asked';
    const { http, origin } = await client((request, response) => {
      authorization = request.headers.authorization;
      response.end();
    });
    const { stream } = await open(http, origin, 0, false);
    stream.resume();
    await once(stream, 'end');
    expect(authorization).toBeUndefined();
  });
});
