import type { RequestListener } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { HttpOptions, UpstreamCall } from '../../../src/providers/http/calls.ts';
import { createOpenHttp } from '../../../src/providers/http/upstreamHttp.ts';
import { refusalError } from '../../../src/providers/mapping/errorTable.ts';
import { MAKES_NOTHING, SendRefused, UpstreamError } from '../../../src/providers/provider.ts';
import { createManualTimers } from '../../support/manualTimers.ts';
import { serve } from '../../support/servers/httpServer.ts';

const signal = () => AbortSignal.timeout(10_000);
const maySend = () => true;

/** A client of a server with these answers. */
async function client(listener: RequestListener, options: Partial<HttpOptions> = {}, hasLease = () => true) {
  const { origin, requests } = await serve(listener);
  const clock = createManualTimers();
  const http = createOpenHttp({ hasLease, clock })({
    baseUrl: origin,
    headers: () => ({ authorization: 'ours', accept: 'text/plain' }),
    secrets: ['secret'],
    refusal: (body) => (body === undefined ? {} : (body as object)),
    error: (refusal) => refusalError([], refusal),
    ...options,
  });
  onTestFinished(() => http.close());
  const get = (maxBytes?: number) =>
    http.call({
      method: 'GET',
      path: '/',
      signal: signal(),
      ...(maxBytes === undefined ? {} : { maxBytes }),
    });
  return { http, origin, requests, clock, get };
}

const failure = (call: Promise<unknown>): Promise<UpstreamError> =>
  call.then(
    (value) => Promise.reject(new Error(`no failure: ${value}`)),
    (error: unknown) => (error instanceof UpstreamError ? error : Promise.reject(error)),
  );

describe('a call', () => {
  it('has its method, path, headers and body', async () => {
    const bodies: string[] = [];
    const { http, requests } = await client(async (request, response) => {
      bodies.push(Buffer.concat(await Array.fromAsync(request)).toString());
      response.end();
    });
    await http.call({ method: 'DELETE', path: '/a?b=1', signal: signal() });
    const headers = { 'x-more': '1', 'content-type': 'application/merge+json' };
    await http.call({ method: 'POST', path: '/c', json: null, headers: {}, maySend, signal: signal() });
    await http.call({ method: 'POST', path: '/d', json: {}, headers, maySend, signal: signal() });
    expect(bodies).toEqual(['', 'null', '{}']);
    const seen = requests.map(({ method, url, headers: sent }) => [
      method,
      url,
      sent.authorization,
      sent.accept,
      sent['content-type'],
      sent['x-more'],
    ]);
    expect(seen).toEqual([
      ['DELETE', '/a?b=1', 'ours', 'application/json', undefined, undefined],
      ['POST', '/c', 'ours', 'application/json', 'application/json', undefined],
      ['POST', '/d', 'ours', 'application/json', 'application/merge+json', '1'],
    ]);
  });

  it('has the credentials that are current at that time', async () => {
    let token = 0;
    const given: AbortSignal[] = [];
    const { http, requests } = await client((_request, response) => response.end(), {
      async headers(at) {
        given.push(at);
        token += 1;
        return { authorization: `token ${token}` };
      },
    });
    const at = signal();
    for (let n = 0; n < 2; n++) await http.call({ method: 'GET', path: '/', signal: at });
    expect(requests.map(({ headers }) => headers.authorization)).toEqual(['token 1', 'token 2']);
    expect(given).toEqual([at, at]);
  });

  it.each([200, 204, 299])('accepts status %i', async (status) => {
    const { get } = await client((_request, response) => response.writeHead(status, { 'x-a': 'b' }).end());
    expect(await get()).toMatchObject({ status, headers: { 'x-a': 'b' }, body: undefined });
  });

  it.each([300, 304, 404, 500])(
    'is refused with status %i, also where its answer is a stream',
    async (status) => {
      const { http, get } = await client((_request, response) => response.writeHead(status).end());
      expect((await failure(get())).detail).toMatch(new RegExp(`${status}$`));
      const streaming = http.stream({ method: 'GET', path: '/', signal: signal() });
      expect((await failure(streaming)).detail).toMatch(new RegExp(`${status}$`));
    },
  );

  it.each([200, 299])('returns the answer of status %i as a stream', async (status) => {
    const { http } = await client((_request, response) => response.writeHead(status).end('bytes'));
    const { body: stream } = await http.stream({ method: 'GET', path: '/', signal: signal() });
    expect(String(Buffer.concat(await Array.fromAsync(stream)))).toBe('bytes');
  });

  it('has no body if the answer is blank', async () => {
    const { get } = await client((_request, response) => response.end(' \n'));
    expect((await get()).body).toBeUndefined();
  });

  it('accepts an answer of up to 4 MiB, or up to its own limit', async () => {
    const { get } = await client((request, response) => {
      response.end(JSON.stringify('x'.repeat(request.url === '/' ? 4 * 2 ** 20 - 2 : 4)));
    });
    expect((await get()).body).toHaveLength(4 * 2 ** 20 - 2);
    expect((await failure(get(4 * 2 ** 20 - 1))).detail).toMatch(/more than 4194303 bytes/);
    const large = await client((_request, response) => response.end('x'.repeat(4 * 2 ** 20 + 1)));
    expect((await failure(large.get())).detail).toMatch(/more than 4194304 bytes/);
  });

  it('may have created a job if its answer breaks off', async () => {
    const { get } = await client((_request, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('x', () => response.destroy());
    });
    expect(await failure(get())).toMatchObject({ reason: 'upstream_unavailable', created: 'unknown' });
  });
});

describe('a refusal', () => {
  it('has its own message without secrets, or else the text of the answer', async () => {
    let text = JSON.stringify({ message: 'no secret here', code: 'No' });
    const { get } = await client((_request, response) => response.writeHead(500).end(text));
    expect((await failure(get())).detail).toBe('500 No no [secret] here');
    text = JSON.stringify({ other: 'a secret' });
    expect((await failure(get())).detail).toBe('500 {"other":"a [secret]"}');
    text = 'not JSON';
    expect((await failure(get())).detail).toBe('500 not JSON');
  });

  it('says when to retry, in its body before its header', async () => {
    let retryAfterMs: number | undefined;
    const { get, clock } = await client(
      (_request, response) => {
        const date = new Date(clock.now() + 9000).toUTCString();
        response.writeHead(503, { 'retry-after': date }).end('{}');
      },
      { refusal: () => (retryAfterMs === undefined ? {} : { retryAfterMs }) },
    );
    expect((await failure(get())).retryAfterMs).toBe(9000 - (clock.now() % 1000));
    retryAfterMs = 0;
    expect((await failure(get())).retryAfterMs).toBe(0);
    const silent = await client((_request, response) => response.writeHead(503).end('{}'));
    expect((await failure(silent.get())).retryAfterMs).toBeUndefined();
  });

  it.each([404, 405])(
    'of a submission with %i is not the fault of the caller, whatever its method',
    async (status) => {
      const { http } = await client((_request, response) => response.writeHead(status).end('{}'));
      const reasonOf = async (call: UpstreamCall) => (await failure(http.call(call))).reason;
      for (const method of ['POST', 'PUT', 'PATCH'] as const) {
        expect(await reasonOf({ method, path: '/', maySend, signal: signal() })).toBe('upstream_failed');
        const other = await reasonOf({ method, path: '/', maySend: MAKES_NOTHING, signal: signal() });
        expect(other).not.toBe('upstream_failed');
      }
    },
  );

  it('has its status', async () => {
    const seen: unknown[] = [];
    const { get } = await client((_request, response) => response.writeHead(418).end('{"a":1}'), {
      refusal(body, status) {
        seen.push(body, status);
        return {};
      },
    });
    expect((await failure(get())).detail).toBe('418 {"a":1}');
    expect(seen).toEqual([{ a: 1 }, 418]);
  });
});

describe('a node without its lease', () => {
  it('sends nothing', async () => {
    const { http, get, origin, requests } = await client(
      (_request, response) => response.end(),
      {},
      () => false,
    );
    const raw = { method: 'GET', headers: {}, signal: signal(), maySend, maxBytes: 10 };
    await expect(get()).rejects.toBeInstanceOf(SendRefused);
    await expect(http.raw({ ...raw, url: origin })).rejects.toBeInstanceOf(SendRefused);
    const opening = http.open(origin, { offset: 0, signal: signal(), authorised: true });
    await expect(opening).rejects.toBeInstanceOf(SendRefused);
    expect(requests).toEqual([]);
  });

  it('sends nothing whose own condition is false, and sends the rest', async () => {
    const { http, get, origin, requests } = await client((_request, response) => response.end());
    const never = { maySend: () => false, signal: signal() };
    const posting = http.call({ method: 'POST', path: '/', ...never });
    await expect(posting).rejects.toBeInstanceOf(SendRefused);
    const raw = http.raw({ url: origin, method: 'GET', headers: {}, maxBytes: 10, ...never });
    await expect(raw).rejects.toBeInstanceOf(SendRefused);
    expect(requests).toEqual([]);
    await get();
    expect(requests).toHaveLength(1);
  });
});

describe('a raw call', () => {
  const RAW = { headers: { 'x-a': 'b' }, maySend, maxBytes: 10 };

  it('is sent unchanged, and its whole answer is read, whatever its status', async () => {
    const statuses: number[] = [];
    const { http, origin, requests } = await client(async (request, response) => {
      const body = Buffer.concat(await Array.fromAsync(request));
      response.writeHead(302, { location: '/elsewhere' }).end(body);
    });
    const call = { ...RAW, url: `${origin}/x`, signal: signal(), answered: (n: number) => statuses.push(n) };
    const answer = await http.raw({ ...call, method: 'PUT', body: Buffer.from('bytes') });
    expect(answer).toMatchObject({ status: 302, headers: { location: '/elsewhere' } });
    expect(String(answer.body)).toBe('bytes');
    expect(statuses).toEqual([302]);
    expect(
      requests.map(({ method, url, headers }) => [method, url, headers['x-a'], headers.authorization]),
    ).toEqual([['PUT', '/x', 'b', undefined]]);
    expect((await http.raw({ ...RAW, url: origin, signal: signal(), method: 'GET' })).body).toHaveLength(0);
  });

  it('limits the bytes of its answer', async () => {
    const { http, origin } = await client((_request, response) => response.end('x'.repeat(11)));
    const call = http.raw({ ...RAW, url: origin, method: 'GET', signal: signal() });
    await expect(call).rejects.toThrow();
    expect(await failure(call)).toMatchObject({ detail: 'an answer of more than 10 bytes' });
  });

  it('ends with its signal', async () => {
    const { http, origin } = await client(() => {});
    const caller = new AbortController();
    const call = http.raw({ ...RAW, url: origin, method: 'GET', signal: caller.signal });
    caller.abort(new Error('enough'));
    await expect(call).rejects.toThrow();
  });
});

it('the time of an upstream comes from its answers, or from a request without credentials', async () => {
  const { http, requests } = await client((_request, response) => {
    response.setHeader('date', 'Tue, 01 Jan 2030 00:00:00 GMT');
    response.writeHead(404).end();
  });
  const time = await http.upstreamTime();
  expect((time ?? 0) - Date.parse('2030-01-01T00:00:00Z')).toBeLessThan(10_000);
  expect(requests.map(({ method, url, headers }) => [method, url, headers.authorization])).toEqual([
    ['HEAD', '/', undefined],
  ]);
});
