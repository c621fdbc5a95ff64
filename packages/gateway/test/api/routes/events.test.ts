import { describe, expect, it, onTestFinished } from 'vitest';
import { type Json, QUICK, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { type EventReader, type ReceivedEvent, readEvents } from '../../support/http/eventReader.ts';
import { freshDatabase } from '../../support/servers/database.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const PATH = '/v1/video/generations';
/** A video that is not made in the time of a test. */
const LONG = { ...QUICK, duration: 20, resolution: '1080p' };

describe.each([
  ['SQLite', async () => ({})],
  ['PostgreSQL', async () => ({ ONETAKE_DATABASE_URL: await freshDatabase() })],
] as const)('the events of a project, on %s', (_store, database) => {
  /** A place where gateways are started one after the other. */
  async function place() {
    const [dataDir, settings] = [await tempFolder(), await database()];
    return (more: Record<string, string> = {}) => startTestGateway({ ...settings, ...more }, { dataDir });
  }
  async function started(more: Record<string, string> = {}): Promise<TestGateway> {
    const t = await (await place())(more);
    onTestFinished(() => t.end());
    return t;
  }

  it('are sent as they happen, each with the answer of the task and a link that works', async () => {
    const t = await started();
    const stream = await watch(t);
    expect((await stream.next())?.event).toBe('ready');
    const { task_id: id, url } = await t.finished({ metadata: { order: '42' } });
    const [begun, done] = [await stream.next(), await stream.next()];
    expect([begun?.event, done?.event]).toEqual(['video.started', 'video.succeeded']);
    expect(begun?.data).toMatchObject({
      type: 'video.started',
      data: { task_id: id, status: 'in_progress' },
    });
    expect(done?.data.id).toMatch(/^evt_[0-9a-f]{32}$/);
    expect(Math.abs(Date.parse(done?.data.timestamp) - Date.now())).toBeLessThan(60_000);
    expect(done?.data.data).toMatchObject({ task_id: id, status: 'succeeded', metadata: { order: '42' } });
    expect(new URL(done?.data.data.url).pathname).toBe(new URL(url).pathname);
    expect((await fetch(done?.data.data.url)).status).toBe(200);
  });

  it('are filtered by type, model and metadata', async () => {
    const t = await started();
    const all = await watch(t);
    const failed = await watch(t, '?type=video.failed,video.succeeded&metadata[order]=1');
    const none = await watch(t, '?model=another');
    for (const order of ['1', '2']) await cancelled(t, { metadata: { order } });
    const last = await cancelled(t, { metadata: { order: '1' } });
    await all.until(isOf(last));
    const first = await failed.until(({ event }) => event !== 'ready');
    expect(first.data.data.metadata).toEqual({ order: '1' });
    expect((await failed.next())?.data.data.task_id).toBe(last);
    await none.close();
    for (const query of ['?type=video.done', '?color=red', '?metadata[a]=1&metadata[a]=2', '?model=']) {
      const { status, body } = await t.json(`/v1/events${query}`);
      expect([query, status]).toEqual([query, 400]);
      expect(body.error.param).toBeTruthy();
    }
  });

  it('are those of the own project only', async () => {
    const t = await started();
    const { body } = await t.json('/v1/admin/keys', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'other', project: 'other' }),
    });
    const [own, other] = [await watch(t), await watch(t, '', { key: body.key })];
    await cancelled(t, {});
    const id = await cancelled(t, {}, body.key);
    expect((await other.until(({ event }) => event !== 'ready')).data.data.task_id).toBe(id);
    const mine = await cancelled(t, {});
    const seen = [];
    for (let event = await own.next(); event; event = await own.next()) {
      seen.push(event.data.data?.task_id);
      if (seen.at(-1) === mine) break;
    }
    expect(seen).not.toContain(id);
  });

  it('go on behind a cursor after a restart, without a gap', async () => {
    const start = await place();
    const first = await start();
    const stream = await watch(first);
    const before = await cancelled(first);
    const { id: cursor } = await stream.until(isOf(before));
    await stream.close();
    const missed = [await cancelled(first), await cancelled(first)];
    await first.gateway.close();
    const second = await start();
    onTestFinished(() => second.end());
    const resumed = await watch(second, '', { cursor });
    const seen: string[] = [];
    await resumed.until(({ event, data }) => {
      if (event === 'video.failed') seen.push(data.data.task_id);
      return event === 'ready';
    });
    expect(seen).toEqual(missed);
    const after = await cancelled(second);
    await resumed.until(isOf(after));
  });

  it('move the cursor over a page of the past of which nothing is for the client', async () => {
    const t = await started();
    const cursor = (await (await watch(t)).next())?.id ?? '';
    const ids: string[] = [];
    while (ids.length <= 100)
      ids.push(...(await Promise.all(Array.from({ length: 20 }, () => cancelled(t)))));
    const response = await t.call('/v1/events?type=video.succeeded', {
      headers: { 'last-event-id': cursor },
    });
    const moved = [...(await untilReady(response)).matchAll(/^:\nid: (.+)$/gm)].map(([, id = '']) => id);
    expect(moved.length).toBeGreaterThan(0);
    const resumed = await watch(t, '', { cursor: moved.at(-1) ?? '' });
    const left: string[] = [];
    await resumed.until(({ event, data }) => {
      if (event === 'video.failed') left.push(data.data.task_id);
      return event === 'ready';
    });
    expect(left.length).toBeGreaterThan(0);
    // A page has a hundred events, of which some are beginnings.
    expect(left.length).toBeLessThan(ids.length / 2);
  });

  it('begin with a reset if the cursor is not known', async () => {
    const [t, other] = [await started(), await started()];
    const foreign = (await (await watch(other)).next())?.id;
    for (const cursor of ['nonsense', foreign ?? '']) {
      const stream = await watch(t, '', { cursor });
      const reset = await stream.next();
      expect(reset).toMatchObject({ event: 'reset', data: { reason: 'unknown' } });
      expect((await stream.next())?.event).toBe('ready');
      const id = await cancelled(t);
      await stream.until(isOf(id));
      const again = await watch(t, '', { cursor: reset?.id ?? '' });
      await again.until(isOf(id));
    }
  });

  it('end within a second after their key was revoked, and those of other keys go on', async () => {
    const t = await started();
    const { body: key } = await t.json('/v1/admin/keys', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"name": "short"}',
    });
    const [doomed, other] = [await watch(t, '', { key: key.key }), await watch(t)];
    const { task_id: task } = (await t.submit(LONG)).body;
    const one = readEvents(await t.call(`${PATH}/${task}/events`, { key: key.key }));
    await doomed.next();
    await one.next();
    await t.call(`/v1/admin/keys/${key.id}`, { method: 'DELETE' });
    const revoked = performance.now();
    await Promise.all([doomed.rest(), one.rest()]);
    expect(performance.now() - revoked).toBeLessThan(1000);
    await other.until(isOf(await cancelled(t)));
    await t.call(`${PATH}/${task}/cancel`, { method: 'POST' });
  });

  it('are refused with 429 beyond the limits, and again possible once a stream has ended', async () => {
    const t = await started({ ONETAKE_EVENT_STREAMS_PER_KEY: '2', ONETAKE_EVENT_STREAMS: '3' });
    const streams = [await watch(t), await watch(t)];
    const { status, headers, body } = await t.json('/v1/events');
    expect([status, body.error.reason]).toEqual([429, 'too_many_streams']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    const { task_id: id } = (await t.submit(LONG)).body;
    expect((await t.call(`${PATH}/${id}/events`)).status).toBe(429);
    const { body: key } = await t.json('/v1/admin/keys', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"name": "more"}',
    });
    await watch(t, '', { key: key.key });
    expect((await t.call('/v1/events', { key: key.key })).status).toBe(429);
    await streams[0]?.close();
    for (let open = false; !open; ) open = (await t.call('/v1/events')).status === 200;
    await t.call(`${PATH}/${id}/cancel`, { method: 'POST' });
  });
});

it('events of one node are heard at another, and go on there behind the same cursor; so does a revocation', async () => {
  const settings = { ONETAKE_DATABASE_URL: await freshDatabase() };
  const [one, two] = [await startTestGateway(settings), await startTestGateway(settings)];
  onTestFinished(async () => {
    await Promise.all([one.end(), two.end()]);
  });
  const stream = await watch(two);
  await stream.next();
  const first = await cancelled(one);
  const { id: cursor } = await stream.until(isOf(first));
  const second = await cancelled(two);
  const resumed = await watch(one, '', { cursor });
  const seen: string[] = [];
  await resumed.until(({ event, data }) => {
    if (event === 'video.failed') seen.push(data.data.task_id);
    return event === 'ready';
  });
  expect(seen).toContain(second);

  const { body: key } = await one.json('/v1/admin/keys', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"name": "short"}',
  });
  const doomed = await watch(two, '', { key: key.key });
  await doomed.next();
  await one.call(`/v1/admin/keys/${key.id}`, { method: 'DELETE' });
  const revoked = performance.now();
  await doomed.rest();
  expect(performance.now() - revoked).toBeLessThan(1000);
});

async function watch(
  t: TestGateway,
  query = '',
  { cursor, key }: { cursor?: string; key?: string } = {},
): Promise<EventReader> {
  const response = await t.call(`/v1/events${query}`, {
    ...(key === undefined ? {} : { key }),
    headers: cursor === undefined ? {} : { 'last-event-id': cursor },
  });
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  const stream = readEvents(response);
  onTestFinished(() => stream.close());
  return stream;
}

/** What a stream sends until it has sent everything of the past. */
async function untilReady({ body }: Response): Promise<string> {
  let text = '';
  for await (const part of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += part;
    if (text.includes('event: ready\n')) break;
  }
  return text;
}

/** The fastest task with an end: one that is cancelled. Resolves with its id. */
async function cancelled(t: TestGateway, changes: object = {}, key?: string): Promise<string> {
  const as = key === undefined ? {} : { key };
  const { body } = await t.submit({ ...LONG, ...changes }, as);
  await t.call(`${PATH}/${body.task_id}/cancel`, { method: 'POST', ...as });
  const { body: ended } = await t.json(`${PATH}/${body.task_id}?wait=60`, as);
  expect((ended as Json).status).toBe('failed');
  return body.task_id;
}

const isOf = (id: string) => (event: ReceivedEvent) =>
  event.event === 'video.failed' && event.data.data.task_id === id;
