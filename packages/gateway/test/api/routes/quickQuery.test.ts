import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import fc from 'fast-check';
import { expect, it, onTestFinished, vi } from 'vitest';
import { KEY, QUICK, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { serve } from '../../support/servers/httpServer.ts';

const { path } = vi.hoisted(() => ({ path: { isOpen: true, taken: 0 } }));

// The short path as it is, but for a switch and a counter.
vi.mock('../../../src/api/routes/quickQuery.ts', async (original) => {
  const { createQuickQuery, ...rest } =
    await original<typeof import('../../../src/api/routes/quickQuery.ts')>();
  return {
    ...rest,
    createQuickQuery(...parts: Parameters<typeof createQuickQuery>) {
      const answer = createQuickQuery(...parts);
      return (request: IncomingMessage, response: ServerResponse) => {
        const isTaken = path.isOpen && answer(request, response);
        if (isTaken) path.taken += 1;
        return isTaken;
      };
    },
  };
});

const ORIGIN = 'https://app.example.com';
const PATH = '/v1/video/generations';
/** What the upstream says of every job. */
const UNFINISHED = { id: 'video_1', object: 'video', status: 'in_progress', model: 'sora-2', progress: 40 };

/** Requests for tasks of every kind, with keys of every kind. */
interface World {
  readonly t: TestGateway;
  readonly ids: Readonly<Record<'finished' | 'unfinished' | 'cancelled' | 'deleted' | 'foreign', string>>;
  readonly keys: Readonly<Record<'own' | 'foreign' | 'expired' | 'revoked' | 'unknown', string>>;
  readonly etag: string;
}

async function createWorld(settings: Record<string, string>): Promise<World> {
  let frozen: number | undefined;
  const upstream = await serve((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(UNFINISHED));
  });
  const t = await startTestGateway(
    { ONE_KEY: 'sk-upstream-0123456789', ...settings },
    {
      clock: { now: () => frozen ?? Date.now() },
      file: `
accounts:
  one:
    provider: openai
    base_url: ${upstream.origin}/v1
    api_key: { env: ONE_KEY }
    models: [sora-2]
    limits: { min_poll_interval_ms: 600000 }
`,
    },
  );
  onTestFinished(() => t.end());
  const createKey = async (more: object) => {
    const { body } = await t.json('/v1/admin/keys', {
      method: 'POST',
      body: JSON.stringify({ name: 'one', ...more }),
      headers: { 'content-type': 'application/json' },
    });
    if (!body.key) throw new Error(JSON.stringify(body));
    return body;
  };
  const foreign = await createKey({ project: 'another' });
  const expired = await createKey({ expires_in: 60 });
  const revoked = await createKey({});
  const slow = { ...QUICK, duration: 20, resolution: '1080p' };
  const finished = await t.finished({ metadata: { name: 'Ärger 🎬', note: 'é' } });
  const cancelled = (await t.submit(slow)).body.task_id;
  await t.call(`${PATH}/${cancelled}/cancel`, { method: 'POST' });
  const deleted = (await t.finished()).task_id;
  await t.call(`${PATH}/${deleted}`, { method: 'DELETE' });
  const foreignId = (await t.submit(slow, { key: foreign.key })).body.task_id;
  await t.call(`${PATH}/${foreignId}/cancel`, { method: 'POST', key: foreign.key });
  // Answers are compared that were asked for one after the other, so nothing may change in between.
  await t.call(`${PATH}/${cancelled}?wait=60`);
  await t.call(`${PATH}/${foreignId}?wait=60`, { key: foreign.key });
  const unfinished = (await t.submit({ model: 'sora-2', prompt: 'a boat' })).body.task_id;
  await t.call(`${PATH}/${unfinished}?wait=60&wait_for=change`);
  const ids = { finished: finished.task_id, unfinished, cancelled, deleted, foreign: foreignId };
  // Keys and answers are cached as far as they may be.
  const keys = {
    own: KEY,
    foreign: foreign.key,
    expired: expired.key,
    revoked: revoked.key,
    unknown: 'sk-unknown-0123456789',
  };
  for (const key of Object.values(keys))
    for (const id of Object.values(ids)) await t.call(`${PATH}/${id}`, { key });
  await t.call(`/v1/admin/keys/${revoked.id}`, { method: 'DELETE' });
  const etag = (await t.call(`${PATH}/${ids.finished}`)).headers.get('etag') ?? '';
  // Half of the gateway's answers change with the time, which passes between two that are compared.
  frozen = Date.now() + 3_600_000;
  return { t, ids, keys, etag };
}

interface Case {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly fields: readonly string[];
}

const bytesOf = ({ method, target, version, fields }: Case): string =>
  `${method} ${target} HTTP/${version}\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`;

/** Mostly one that the short path knows, often with one thing that it may not. */
function anyCase({ ids, keys, etag }: World): fc.Arbitrary<Case> {
  const target = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...Object.values(ids)).map((id) => `${PATH}/${id}`) },
    fc
      .tuple(
        fc.constantFrom(...Object.values(ids)),
        fc.constantFrom<(id: string) => string>(
          (id) => `${PATH}/${id}/`,
          (id) => `/${PATH}//${id}`,
          (id) => `${PATH}/${id.replace('v', '%76')}`,
          (id) => `/%761/video/generations/${id}`,
          (id) => `${PATH}/${id.toUpperCase()}`,
          (id) => `${PATH}/${id}?`,
          (id) => `${PATH}/${id}?wait=0`,
          (id) => `${PATH}/${id}?wait=0&wait_for=change`,
          (id) => `${PATH}/${id}?wait=soon`,
          (id) => `${PATH}/${id}?verbose=1`,
          (id) => `${PATH}/${id}#part`,
          (id) => `${PATH}/${id};a=b`,
          (id) => `${PATH}/${id}%00`,
          (id) => `${PATH}/${id.slice(0, -1)}?`,
          (id) => `${PATH}/${id.slice(0, -3)}%2F`,
          (id) => `${PATH}/video_${'0'.repeat(31)}${id.at(-1)}`,
          (id) => `http://127.0.0.1${PATH}/${id}`,
          (id) => `/v1/videos/${id}`,
          (id) => `/v1/video/generation/${id}s`,
        ),
      )
      .map(([id, variant]) => variant(id)),
  );
  const key = fc.oneof(
    { weight: 5, arbitrary: fc.constant(keys.own) },
    fc.constantFrom(...Object.values(keys)),
  );
  const authorization = fc.oneof(
    { weight: 8, arbitrary: key.map((one) => `Authorization: Bearer ${one}`) },
    fc.constantFrom(
      '',
      'Authorization: ',
      `Authorization: ${keys.own}`,
      `authorization: bearer   ${keys.own}`,
      `AUTHORIZATION: Bearer ${keys.own} `,
      `Authorization: Basic ${keys.own}`,
      `Authorization: Bearer ${keys.own}x`,
      `Authorization: Bearer ${keys.foreign}\r\nAuthorization: Bearer ${keys.own}`,
    ),
  );
  const others = fc.subarray(
    [
      `If-None-Match: ${etag}`,
      `If-None-Match: W/${etag}`,
      `If-None-Match: "other", ${etag}`,
      'If-None-Match: "other"',
      'If-None-Match: *',
      'If-None-Match: nonsense',
      `If-Match: ${etag}`,
      'If-Match: "other"',
      'If-Modified-Since: Sun, 06 Nov 2044 08:49:37 GMT',
      'If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT',
      'Prefer: wait=0',
      'Prefer: respond-async',
      'Range: bytes=0-9',
      'Accept: text/html',
      'Accept-Encoding: gzip',
      'Accept-Version: 2.0.0',
      `Origin: ${ORIGIN}`,
      'Origin: https://elsewhere.example.com',
      'X-Request-Id: of-the-caller',
      'X-Request-Id: not one',
      'Content-Length: 0',
      'Content-Type: application/json',
      'Content-Encoding: gzip',
      'Expect: 100-continue',
      'Expect: more',
      'Upgrade: websocket',
      'X-Http-Method-Override: DELETE',
      'Cookie: a=b',
    ],
    { maxLength: 3 },
  );
  return fc.record({
    method: fc.oneof(
      { weight: 12, arbitrary: fc.constant('GET') },
      fc.constantFrom('HEAD', 'OPTIONS', 'PUT', 'QUERY', 'get'),
    ),
    target,
    version: fc.oneof({ weight: 12, arbitrary: fc.constant('1.1') }, fc.constant('1.0')),
    fields: fc
      .tuple(
        fc.oneof({ weight: 12, arbitrary: fc.constant('Host: 127.0.0.1') }, fc.constant('')),
        authorization,
        others,
      )
      .map(([host, key, rest]) => [host, key, ...rest].filter((field) => field !== '')),
  });
}

/** What the gateway answers, but for the time and an id of its own; and how many answers came by the short path. */
async function answersOf({ t, keys, ids }: World, isOpen: boolean, cases: readonly Case[]) {
  path.isOpen = isOpen;
  path.taken = 0;
  const from = t.log.length;
  const texts: string[] = [];
  for (const one of cases) {
    // After a query with a valid key on the same connection.
    const plain = {
      method: 'GET',
      target: `${PATH}/${ids.finished}`,
      version: '1.1',
      fields: ['Host: 127.0.0.1', `Authorization: Bearer ${keys.own}`],
    };
    const last = { ...one, fields: [...one.fields, 'Connection: close'] };
    texts.push(shown(await exchange(t.gateway.address, bytesOf(plain), bytesOf(last))));
  }
  const lines = t.log
    .slice(from)
    .map((line) => JSON.parse(line))
    .filter(({ event }) => event === 'request.completed')
    .map(({ time: _, ms, ...line }) => ({ ...line, request: comparable(line.request), ms: typeof ms }));
  return { texts, lines, taken: path.taken };
}

const UUID = /[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/g;
const comparable = (text: string) => text.replaceAll(UUID, 'an id');
const shown = (text: string): string =>
  comparable(text.replaceAll(/^(?:date|openai-processing-ms): .*\r\n/gim, ''));

/** The bytes that the server sends until it closes the connection, if the second request is sent when the first is answered. */
async function exchange(origin: string, first: string, second: string): Promise<string> {
  const { hostname, port } = new URL(origin);
  const socket = connect({ port: Number(port), host: hostname });
  let text = '';
  socket.setEncoding('latin1').on('data', (piece: string) => {
    const isFirst = text === '';
    text += piece;
    if (isFirst) socket.write(second);
  });
  const closed = once(socket, 'close');
  socket.write(first);
  await closed;
  return text;
}

it.each([
  ['without pages of other origins', {}],
  ['with pages of other origins', { ONETAKE_CORS_ORIGINS: ORIGIN }],
])(
  'a query is answered by the short path as by the router, %s: status, headers, body and line in the log',
  async (_name, settings: Record<string, string>) => {
    const world = await createWorld(settings);
    await fc.assert(
      fc.asyncProperty(fc.array(anyCase(world), { minLength: 1, maxLength: 4 }), async (cases) => {
        const routed = await answersOf(world, false, cases);
        const quick = await answersOf(world, true, cases);
        expect(quick.texts).toEqual(routed.texts);
        expect(quick.lines).toEqual(routed.lines);
        expect(routed.taken).toBe(0);
        // The query that each connection begins with.
        expect(quick.taken).toBeGreaterThanOrEqual(cases.length);
      }),
      { numRuns: 60 },
    );
  },
);

it('the short path takes plain queries of what is cached, and leaves all else to the router', async () => {
  const world = await createWorld({});
  const { ids, keys, etag } = world;
  const plain = {
    method: 'GET',
    target: `${PATH}/${ids.finished}`,
    version: '1.1',
    fields: ['Host: 127.0.0.1', `Authorization: Bearer ${keys.own}`],
  };
  /** How many of the two requests that are sent are taken. */
  const takes = async (change: Partial<Case>, ...more: string[]) =>
    (await answersOf(world, true, [{ ...plain, ...change, fields: [...plain.fields, ...more] }])).taken;
  // The first query of a task is for the router, and so is each after its answer became too old.
  const isTaken = (change: Partial<Case>, ...more: string[]) =>
    expect.poll(() => takes(change, ...more)).toBe(2);
  await isTaken({});
  await isTaken({}, `If-None-Match: ${etag}`, 'Accept: text/html', 'X-Request-Id: mine');
  await isTaken({ target: `${PATH}/${ids.unfinished}` });
  await isTaken({ target: `${PATH}/${ids.cancelled}` });
  expect(await takes({ target: `${PATH}/${ids.deleted}` })).toBe(1);
  expect(await takes({ target: `${PATH}/${ids.foreign}` })).toBe(1);
  expect(await takes({ target: `${plain.target}?wait=1` })).toBe(1);
  expect(await takes({ method: 'HEAD' })).toBe(1);
  expect(await takes({}, `If-Match: ${etag}`)).toBe(1);
  expect(await takes({}, 'Prefer: wait=1')).toBe(1);
  expect(await takes({}, 'Content-Length: 0')).toBe(1);
});
