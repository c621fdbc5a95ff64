import { verifyWebhook } from '@onetake/client';
import OpenAI from 'openai';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { type Json, KEY, QUICK, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { freshDatabase } from '../../support/servers/database.ts';
import { serve } from '../../support/servers/httpServer.ts';

const ENDPOINTS = '/v1/webhook_endpoints';
const DELIVERIES = '/v1/webhook_deliveries';

describe.each([
  ['SQLite', async () => ({})],
  ['PostgreSQL', async () => ({ ONETAKE_DATABASE_URL: await freshDatabase() })],
] as const)('webhooks, on %s', (_store, database) => {
  async function started(): Promise<TestGateway> {
    const t = await startTestGateway({ ...(await database()), ONETAKE_ALLOW_PRIVATE_HOSTS: '127.0.0.1' });
    onTestFinished(() => t.end());
    return t;
  }

  it('announce a video at an endpoint and at the webhook_url of its task, and can be sent again', async () => {
    const t = await started();
    const to = await receiver();
    const endpoint = await created(t, { url: `${to.origin}/endpoint`, description: 'all of it' });
    const task = await t.finished({ webhook_url: `${to.origin}/task` });
    expect(JSON.stringify(task)).not.toContain(to.origin);
    await eventually(() => expect(to.messages).toHaveLength(3));
    const at = (path: string) => to.messages.filter((message) => message.path === path);
    const secret = (await t.json('/v1/webhook_secret')).body.secret;
    const [started_, ended] = await Promise.all(at('/endpoint').map((m) => verified(m, endpoint.secret)));
    expect([started_?.type, ended?.type].sort()).toEqual(['video.started', 'video.succeeded']);
    const [end] = await Promise.all(at('/task').map((m) => verified(m, secret)));
    expect(end).toMatchObject({
      type: 'video.succeeded',
      data: { task_id: task.task_id, status: 'succeeded' },
    });
    const link = end && 'task_id' in end.data ? end.data.url : undefined;
    expect((await fetch(link ?? '')).status).toBe(200);

    const list = await eventually(async () => {
      const { body } = await t.json(`${DELIVERIES}?task_id=${task.task_id}&state=delivered`);
      expect(body.data).toHaveLength(3);
      return body.data as Json[];
    });
    expect(list[0]).toMatchObject({ tries: 1, status: 200, answer: 'got it', task_id: task.task_id });
    const own = list.find(({ endpoint_id: id }) => id === undefined);
    expect((await t.json(`${DELIVERIES}/${own.id}`)).body).toEqual(own);
    const again = await t.json(`${DELIVERIES}/${own.id}/redeliver`, { method: 'POST' });
    expect([again.status, again.body.state, again.body.tries]).toEqual([202, 'pending', 0]);
    await eventually(() => expect(at('/task')).toHaveLength(2));
    expect(new Set(at('/task').map(({ headers }) => headers['webhook-id'])).size).toBe(1);

    await t.call(`/v1/video/generations/${task.task_id}`, { method: 'DELETE' });
    expect((await t.json(DELIVERIES)).body.data).toEqual([]);
  });

  it('speak the words of OpenAI about a video of its API, so that its package reads them', async () => {
    const t = await started();
    const to = await receiver();
    const { secret } = await created(t, { url: to.origin, events: ['video.succeeded', 'video.failed'] });
    const openai = new OpenAI({ baseURL: `${t.gateway.address}/v1`, apiKey: KEY, webhookSecret: secret });
    const { id } = await openai.videos.create({
      model: 'onetake-preview',
      prompt: 'a paper boat',
      seconds: '2' as '4',
    });
    const failing = await openai.videos.create({
      model: 'onetake-preview',
      prompt: 'a paper boat',
      seconds: '20' as '4',
    });
    await t.json(`/v1/video/generations/${failing.id}/cancel`, { method: 'POST' });
    await eventually(() => expect(to.messages).toHaveLength(2));
    // Its types do not know these events yet.
    const told: Json[] = await Promise.all(
      to.messages.map(({ body, headers }) => openai.webhooks.unwrap(body, headers)),
    );
    expect(told.find(({ type }) => type === 'video.completed')).toEqual({
      id: expect.stringMatching(/^evt_/),
      object: 'event',
      created_at: expect.any(Number),
      type: 'video.completed',
      data: { id },
    });
    expect(told.find(({ type }) => type === 'video.failed')).toMatchObject({ data: { id: failing.id } });
  });

  it('are tested: the answer says how that went', async () => {
    const t = await started();
    const to = await receiver();
    const { id, public_key: key } = await created(t, { url: to.origin, signature: 'ed25519' });
    expect(key).toMatch(/^whpk_/);
    const good = await posted(t, `${ENDPOINTS}/${id}/test`);
    expect(good).toMatchObject({ type: 'webhook.test', state: 'delivered', status: 200, answer: 'got it' });
    expect(JSON.parse(to.messages[0]?.body ?? '')).toMatchObject({
      type: 'webhook.test',
      data: { endpoint_id: id },
    });
    expect(to.messages[0]?.headers['webhook-signature']).toMatch(/^v1a,/);
    to.status = 503;
    await changed(t, id, { status: 'disabled' });
    const bad = await posted(t, `${ENDPOINTS}/${id}/test`);
    expect(bad).toMatchObject({ state: 'dead', tries: 1, status: 503, error: 'refused' });
    expect((await t.json(`${DELIVERIES}?endpoint_id=${id}&limit=1`)).body).toMatchObject({
      data: [{ id: bad.id }],
      has_more: true,
      next_cursor: bad.id,
    });
    const refused = await t.json(`${DELIVERIES}/${bad.id}/redeliver`, { method: 'POST' });
    expect([refused.status, refused.body.error.reason]).toEqual([409, 'endpoint_disabled']);
  });

  it('have endpoints that are read, changed, rotated and deleted, each in its project', async () => {
    const t = await started();
    const { id, secret, ...made } = await created(t, {
      url: 'https://example.com/hook',
      events: ['video.failed'],
      models: ['onetake-preview'],
    });
    expect(secret).toMatch(/^whsec_/);
    const view = { id, ...made };
    expect(view).toMatchObject({ status: 'enabled', signature: 'hmac', events: ['video.failed'] });
    expect((await t.json(`${ENDPOINTS}/${id}`)).body).toEqual(view);
    expect((await t.json(ENDPOINTS)).body).toEqual({ object: 'list', data: [view] });
    const { events: _, ...all } = view;
    const disabled = { ...all, description: 'x', status: 'disabled', disabled_reason: 'requested' };
    expect(await changed(t, id, { events: null, description: 'x', status: 'disabled' })).toEqual(disabled);
    const { disabled_reason: __, ...enabled } = { ...disabled, status: 'enabled' };
    expect(await changed(t, id, { status: 'enabled' })).toEqual(enabled);

    expect((await t.json(`${ENDPOINTS}/${id}/secret`)).body).toEqual({ signature: 'hmac', secret });
    const rotated = await posted(t, `${ENDPOINTS}/${id}/rotate`);
    expect(rotated).toMatchObject({ former: { secret } });
    expect(rotated.secret).not.toBe(secret);
    const project = (await t.json('/v1/webhook_secret')).body;
    expect((await posted(t, '/v1/webhook_secret/rotate')).former.secret).toBe(project.secret);

    const body = JSON.stringify({ name: 'other', project: 'other' });
    const headers = { 'content-type': 'application/json' };
    const { key } = (await t.json('/v1/admin/keys', { method: 'POST', headers, body })).body;
    expect((await t.json(ENDPOINTS, { key })).body.data).toEqual([]);
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['GET', '/secret'],
      ['POST', '/rotate'],
      ['POST', '/test'],
    ] as const)
      expect((await t.json(`${ENDPOINTS}/${id}${path}`, { method, key })).status, path).toBe(404);
    expect((await t.json(`${ENDPOINTS}/${id}`, { method: 'DELETE' })).body).toEqual({ id, deleted: true });
    expect((await t.json(`${ENDPOINTS}/${id}`)).status).toBe(404);
  });
});

it('a URL, filter or field that would do nothing is a 400 that names it', async () => {
  const t = await startTestGateway();
  onTestFinished(() => t.end());
  const urls = [
    'http://127.0.0.1/',
    'http://10.1.2.3/hook',
    'http://[::1]/',
    'http://localhost:8080/',
    'ftp://example.com/',
    'https://user:word@example.com/',
    'http://example.com:22/',
    'nonsense',
    'http://localhost./',
    ' https://example.com/',
    'https://example.com/\u0000',
    'https://example.com/\n',
  ];
  for (const url of urls) {
    const submitted = await t.submit({ ...QUICK, webhook_url: url });
    expect([url, submitted.status, submitted.body.error.param]).toEqual([url, 400, 'webhook_url']);
    const { status, body } = await post(t, ENDPOINTS, { url });
    expect([url, status, body.error.param]).toEqual([url, 400, 'url']);
  }
  const url = 'https://example.com/';
  for (const [given, param] of [
    [{ url, events: ['video.done'] }, 'events'],
    [{ url, events: [] }, 'events'],
    [{ url, models: ['none'] }, 'models'],
    [{ url, signature: 'rsa' }, 'signature'],
    [{ url, event: ['video.failed'] }, 'event'],
    [{}, 'url'],
  ] as const) {
    const { status, body } = await post(t, ENDPOINTS, given);
    expect([status, body.error.param.split(/[./]/)[0]], JSON.stringify(given)).toEqual([400, param]);
  }
  for (const refused of [
    await post(t, ENDPOINTS, { url, colour: 'red' }),
    await t.json(`${DELIVERIES}?colour=red`),
  ])
    expect([refused.status, refused.body.error.param]).toEqual([400, 'colour']);
  for (const [given, told] of [
    [{ url, event: ['video.failed'] }, /^event is not known here; did you mean events\?/],
    [
      { url, colour: 'red' },
      /^colour is not known here; these are: url, events, models, description, signature\./,
    ],
  ] as const)
    expect((await post(t, ENDPOINTS, given)).body.error.message).toMatch(told);
  for (let n = 0; n < 20; n++) expect((await post(t, ENDPOINTS, { url })).status).toBe(201);
  const { status, body } = await post(t, ENDPOINTS, { url });
  expect([status, body.error.reason]).toEqual([409, 'too_many_endpoints']);
});

interface Message {
  readonly path: string | undefined;
  readonly headers: Record<string, string>;
  readonly body: string;
}

async function receiver() {
  const state = { status: 200, messages: [] as Message[] };
  const server = await serve(async (request, response) => {
    const body = (await request.setEncoding('utf8').toArray()).join('');
    state.messages.push({ path: request.url, headers: request.headers as Record<string, string>, body });
    response.writeHead(state.status).end('got it');
  });
  return Object.assign(state, { origin: server.origin });
}

const verified = ({ body, headers }: Message, secret: string) => verifyWebhook(body, headers, secret);

const post = (t: TestGateway, path: string, body: unknown, method = 'POST') =>
  t.json(path, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

async function created(t: TestGateway, body: unknown): Promise<Json> {
  const answer = await post(t, ENDPOINTS, body);
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  return answer.body;
}

const changed = async (t: TestGateway, id: string, body: unknown): Promise<Json> =>
  (await post(t, `${ENDPOINTS}/${id}`, body, 'PATCH')).body;

async function posted(t: TestGateway, path: string): Promise<Json> {
  const answer = await t.json(path, { method: 'POST' });
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return answer.body;
}
