import { gunzipSync } from 'node:zlib';
import fastify from 'fastify';
import { expect, it, onTestFinished } from 'vitest';
import { preparedJson } from '../../../src/api/http/preparedJson.ts';

const FRESH_MS = 1000;

function server() {
  let now = 1_000_000;
  let built = 0;
  const send = preparedJson(() => ({ built: ++built, text: 'ä'.repeat(5000) }), {
    clock: { now: () => now },
    freshMs: FRESH_MS,
  });
  const app = fastify();
  onTestFinished(() => app.close());
  app.get('/', async (request, reply) => send(request, reply));
  return {
    get: (headers: Record<string, string> = {}) => app.inject({ url: '/', headers }),
    pass: (ms: number) => {
      now += ms;
    },
  };
}

it('sends the same bytes, plain or compressed, and says which', async () => {
  const { get } = server();
  const plain = await get();
  expect(plain.headers['content-encoding']).toBeUndefined();
  expect(plain.headers).toMatchObject({
    vary: 'accept-encoding',
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'private, no-cache',
  });
  const compressed = await get({ 'accept-encoding': 'br, gzip;q=0.8' });
  expect(compressed.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'accept-encoding' });
  expect(compressed.rawPayload.length).toBeLessThan(plain.rawPayload.length / 10);
  expect(gunzipSync(compressed.rawPayload)).toEqual(plain.rawPayload);
  expect(compressed.headers.etag).not.toBe(plain.headers.etag);
});

it.each([
  ['gzip', true],
  ['GZIP', true],
  ['*', true],
  ['*;q=0.5, gzip;q=0', false],
  ['gzip; q=0', false],
  ['br', false],
  ['identity', false],
  ['', false],
])('Accept-Encoding: %s', async (header, compressed) => {
  const { headers } = await server().get({ 'accept-encoding': header });
  expect(headers['content-encoding']).toBe(compressed ? 'gzip' : undefined);
});

it('tells that nothing has changed until it is built again', async () => {
  const { get, pass } = server();
  const [plain, compressed] = [await get(), await get({ 'accept-encoding': 'gzip' })];
  for (const [answer, encoding] of [
    [plain, 'identity'],
    [compressed, 'gzip'],
  ] as const) {
    const again = await get({ 'if-none-match': String(answer.headers.etag), 'accept-encoding': encoding });
    expect([again.statusCode, again.rawPayload.length]).toEqual([304, 0]);
    expect(again.headers.etag).toBe(answer.headers.etag);
  }
  pass(FRESH_MS - 1);
  expect((await get()).json()).toMatchObject({ built: 1 });
  pass(1);
  const changed = await get({ 'if-none-match': String(plain.headers.etag) });
  expect([changed.statusCode, changed.json().built]).toEqual([200, 2]);
});

it('is built again when the clock was set back', async () => {
  const { get, pass } = server();
  await get();
  pass(-3_600_000);
  expect((await get()).json()).toMatchObject({ built: 2 });
});
