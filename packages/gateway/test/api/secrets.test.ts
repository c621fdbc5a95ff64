import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLog } from '../../src/observability/log.ts';
import { KEY, QUICK, startTestGateway, type TestGateway } from '../support/gateway.ts';

const CANARY = 'sk-canary-7f3a9c1e5b8d2046';

let t: TestGateway;
beforeAll(async () => {
  t = await startTestGateway({ ONETAKE_BOOTSTRAP_KEY: CANARY });
});
afterAll(() => t.end());

it('no key reaches a log line, however a request fails', async () => {
  const { body } = await t.submit(QUICK, { key: CANARY });
  const { body: task } = await t.json(`/v1/video/generations/${body.task_id}?wait=30`, { key: CANARY });
  await t.json('/v1/nothing', { key: CANARY });
  await t.submit('{broken', { key: CANARY });
  await t.submit({ ...QUICK, [CANARY]: 1 }, { key: CANARY });
  await t.call(`/v1/video/generations/x?api_key=${CANARY}&key=${CANARY}`, { key: CANARY });
  await t.call('/v1/models', { key: `${CANARY}-wrong` });
  await t.call(`/media/x.mp4?expires=1&signature=${CANARY}`, { key: null });
  if (task.url) await fetch(task.url);

  expect(t.log.length).toBeGreaterThan(5);
  const log = t.log.join('');
  expect(log).not.toContain(CANARY);
  expect(log).not.toMatch(/signature=(?!\[secret\])/);
});

it('the log itself removes secrets from any line', () => {
  const lines: string[] = [];
  const log = createLog('info', { write: (line: string) => void lines.push(line) });
  log.info({ headers: { authorization: `Bearer ${CANARY}` } }, 'header');
  log.info({ request: { apiKey: CANARY } }, 'member');
  log.error({ err: new Error(`upstream said: invalid key ${CANARY}`) }, `key ${CANARY}`);
  log.info({ url: `https://bucket.example/x.mp4?Expires=1&Signature=abc%2Fdef` }, 'link');
  expect(lines.join('')).not.toContain(CANARY);
  expect(lines.join('')).not.toContain('abc%2Fdef');
  for (const line of lines) expect(() => JSON.parse(line)).not.toThrow();
});

it('every response has a request id, which its log lines share', async () => {
  const given = await t.json('/v1/nothing', { key: CANARY, headers: { 'x-request-id': 'my-trace.1' } });
  expect(given.headers.get('x-request-id')).toBe('my-trace.1');
  expect(given.body.error.request_id).toBe('my-trace.1');
  const made = await t.json('/v1/nothing', { key: CANARY, headers: { 'x-request-id': 'no spaces allowed' } });
  const id = made.headers.get('x-request-id') ?? '';
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  await expect.poll(() => t.log.some((line) => line.includes(id))).toBe(true);
  expect(KEY).not.toBe(CANARY);
});

/** The lines of a request, as soon as the last one is there. */
async function linesOf({ headers }: { headers: Headers }, last: string): Promise<Record<string, unknown>[]> {
  const id = headers.get('x-request-id') ?? '';
  const own = () => t.log.filter((line) => line.includes(id));
  await expect.poll(() => own().some((line) => line.includes(`"${last}"`))).toBe(true);
  return own().map((line) => JSON.parse(line));
}

it('a submission is logged in one line, with the id of its request', async () => {
  const submitted = await t.submit(QUICK, { key: CANARY });
  // Whatever is logged of it stands before the next line of the same connection.
  await linesOf(await t.submit('{broken', { key: CANARY }), 'request.completed');
  const lines = await linesOf(submitted, 'task.accepted');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({
    event: 'task.accepted',
    method: 'POST',
    path: '/v1/video/generations',
    status: 200,
    ms: expect.any(Number),
    task: submitted.body.task_id,
    model: QUICK.model,
    project: 'default',
    key: expect.stringMatching(/^key_/),
    holdMicros: expect.any(Number),
    currency: expect.any(String),
  });
});

it.each([
  ['a field that is wrong', { body: { ...QUICK, duration: 'long' } }, 400, 'invalid_request', 'duration'],
  [
    'a name that looks like none',
    { body: { ...QUICK, 'a secret wish': 1 } },
    400,
    'invalid_request',
    undefined,
  ],
  ['no JSON', { body: '{broken' }, 400, 'invalid_json', undefined],
  ['an unknown key', { body: QUICK, key: 'sk-unknown-0123456789abcdef' }, 401, 'unauthorized', undefined],
])(
  'a refusal is logged with its cause: %s',
  async (_what, { body, key = CANARY }: { body: unknown; key?: string }, status, reason, param) => {
    const [line] = await linesOf(await t.submit(body as object, { key }), 'request.completed');
    expect(line).toMatchObject({ status, reason });
    expect(line?.param).toBe(param);
  },
);

it.each([
  ['a path that cannot be decoded', '/v1/video/generations/%zz', 400, 'invalid_request'],
  ['an id longer than any', `/v1/video/generations/${'x'.repeat(300)}`, 404, 'not_found'],
  ['a path that is not there', '/v1/nowhere', 404, 'not_found'],
])('what the router refuses is logged as any other request: %s', async (_what, path, status, reason) => {
  const [line] = await linesOf(await t.call(path, { key: CANARY }), 'request.completed');
  expect(line).toMatchObject({ method: 'GET', path, status, reason, level: 'info' });
});

it.each(['GET', 'HEAD', 'OPTIONS'])('a successful %s is logged at debug', async (method) => {
  const [line] = await linesOf(await t.call('/v1/models', { key: CANARY, method }), 'request.completed');
  expect(line).toMatchObject({ method, level: 'debug' });
});

it('a held submission is logged when it is stored, and when it is answered', async () => {
  const held = await t.call('/v1/video/generations?wait=1', {
    key: CANARY,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(QUICK),
  });
  await held.text();
  const lines = await linesOf(held, 'request.completed');
  expect(lines.map(({ event }) => event)).toEqual(['task.accepted', 'request.completed']);
});
