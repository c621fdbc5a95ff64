import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { matchesGlob } from '../../src/auth/allowedModels.ts';
import { type Json, KEY, QUICK, startTestGateway, type TestGateway } from '../support/gateway.ts';

let t: TestGateway;
let now = Date.now();
beforeAll(async () => {
  t = await startTestGateway({}, { clock: { now: () => now } });
});
afterAll(() => t.end());

const send = (method: string, path: string, body?: unknown) =>
  t.json(path, {
    method,
    ...(body === undefined
      ? {}
      : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
const made = async (body: Json) => (await send('POST', '/v1/admin/keys', { name: 'app', ...body })).body;
const submit = (key: string, body: object = {}) => t.submit({ ...QUICK, ...body }, { key });
const lastAudit = async (query: string) => (await t.json(`/v1/admin/audit?${query}`)).body.data[0];

describe('projects', () => {
  it('are created, read, listed and changed, and the audit log says what was changed', async () => {
    const limits = { requests_per_minute: 60, tasks_in_flight: 3, daily_budget: 12.5 };
    const created = await send('POST', '/v1/admin/projects', { id: 'studio', name: 'The studio', limits });
    expect(created.status).toBe(201);
    const project = { id: 'studio', name: 'The studio', limits, created_at: expect.any(Number) };
    expect(created.body).toEqual(project);
    const use = { tasks_in_flight: 0, day: 0, month: 0, currency: 'USD' };
    expect((await t.json('/v1/admin/projects/studio')).body).toEqual({ ...project, use });
    const twin = await send('POST', '/v1/admin/projects', { id: 'studio' });
    expect([twin.status, twin.body.error.reason]).toEqual([409, 'project_exists']);

    const change = { limits: { monthly_budget: 100 }, default_metadata: { team: 'a' } };
    const changed = await send('PATCH', '/v1/admin/projects/studio', change);
    expect(changed.body).toEqual({ ...project, ...change });
    expect((await t.json('/v1/admin/projects')).body.data).toContainEqual(changed.body);
    expect(await lastAudit('subject=studio')).toMatchObject({
      actor: expect.stringMatching(/^key_/),
      action: 'project.changed',
      detail: { limits: [limits, { monthly_budget: 100 }], default_metadata: [null, { team: 'a' }] },
    });
    expect((await send('PATCH', '/v1/admin/projects/studio', { limits: null })).body).not.toHaveProperty(
      'limits',
    );
    expect((await t.json('/v1/admin/projects/none')).status).toBe(404);
    expect((await send('PATCH', '/v1/admin/projects/none', {})).status).toBe(404);
  });

  it.each<[string, object, string]>([
    ['an id that is no name', { id: 'a/b' }, 'id must be'],
    ['a limit of nothing', { id: 'x', limits: { tasks_in_flight: 0 } }, 'limits.tasks_in_flight'],
    ['a limit that there is not', { id: 'x', limits: { speed: 1 } }, 'limits.speed'],
    ['a pair that is no text', { id: 'x', default_metadata: { a: 1 } }, 'default_metadata'],
    [
      'too many pairs',
      { id: 'x', default_metadata: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`k${n}`, 'v'])) },
      'at most 16',
    ],
  ])('are not created with %s', async (_what, body, words) => {
    const { status, body: answer } = await send('POST', '/v1/admin/projects', body);
    expect([status, answer.error.message]).toEqual([400, expect.stringContaining(words)]);
  });

  it('that are archived take no new tasks and keys; their tasks go on and can be read', async () => {
    await send('POST', '/v1/admin/projects', { id: 'old' });
    const { key } = await made({ project: 'old' });
    const { body: task } = await submit(key);
    const { body } = await send('PATCH', '/v1/admin/projects/old', { archived: true });
    expect(body.archived_at).toBe(Math.floor(now / 1000));
    const refused = await submit(key);
    expect([refused.status, refused.body.error.reason]).toEqual([403, 'project_archived']);
    const quoted = await t.json('/v1/video/generations/quote', {
      key,
      method: 'POST',
      body: JSON.stringify({ model: 'onetake-preview', prompt: 'a paper boat' }),
      headers: { 'content-type': 'application/json' },
    });
    expect([quoted.status, quoted.body.error?.reason]).toEqual([403, 'project_archived']);
    const query = () => t.json(`/v1/video/generations/${task.task_id}?wait=30`, { key });
    let waited = await query();
    while (!['succeeded', 'failed'].includes(waited.body.status)) waited = await query();
    expect([waited.status, waited.body.status]).toEqual([200, 'succeeded']);
    const another = await send('POST', '/v1/admin/keys', { name: 'late', project: 'old' });
    expect([another.status, another.body.error.reason]).toEqual([409, 'project_archived']);
    expect(await lastAudit('subject=old')).toMatchObject({ action: 'project.archived' });

    const restored = await send('PATCH', '/v1/admin/projects/old', { archived: false });
    expect(restored.body).not.toHaveProperty('archived_at');
    expect((await submit(key)).status).toBe(200);
    expect(await lastAudit('subject=old&action=project.restored')).toBeDefined();
  });

  it('that a new key names are created with it, which the audit log says', async () => {
    await made({ project: 'implied' });
    expect((await t.json('/v1/admin/projects/implied')).body).toMatchObject({ name: 'implied' });
    expect(await lastAudit('subject=implied')).toMatchObject({ action: 'project.created' });
  });
});

describe('a key that may use some models', () => {
  it('is refused others by name, whatever the API, and is shown none of them', async () => {
    const { key, models } = await made({ models: ['veo-*', 'sora-2'] });
    expect(models).toEqual(['veo-*', 'sora-2']);
    const { status, body } = await submit(key);
    expect([status, body.error.reason]).toEqual([403, 'model_not_allowed']);
    expect(body.error.message).toContain(`"${QUICK.model}"; it may use "veo-*", "sora-2"`);
    const openAi = await t.json('/v1/videos', {
      method: 'POST',
      key,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: QUICK.model, prompt: 'x' }),
    });
    expect([openAi.status, openAi.body.error.message]).toEqual([
      403,
      expect.stringContaining('may not use the model'),
    ]);
    const ids = (await t.json('/v1/models', { key })).body.data.map(({ id }: Json) => id);
    expect(ids.length).toBeGreaterThan(1);
    expect(ids.filter((id: string) => !/^veo-|^sora-2$/.test(id))).toEqual([]);
    expect((await t.json(`/v1/models/${QUICK.model}`, { key })).status).toBe(403);
    expect((await t.json('/v1/models/sora-2', { key })).status).toBe(200);
    const tool = await t.call('/mcp', {
      method: 'POST',
      key,
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'list_models', arguments: { include_unavailable: true } },
      }),
    });
    const told = await tool.text();
    expect([told.includes('sora-2'), told.includes(QUICK.model)]).toEqual([true, false]);
  });

  it('may use what a PATCH says from then on', async () => {
    const { key, id } = await made({ models: ['none'] });
    expect((await submit(key)).status).toBe(403);
    await send('PATCH', `/v1/admin/keys/${id}`, { models: ['onetake-*'] });
    expect((await submit(key)).status).toBe(200);
    await send('PATCH', `/v1/admin/keys/${id}`, { models: ['none'] });
    expect((await submit(key)).status).toBe(403);
    await send('PATCH', `/v1/admin/keys/${id}`, { models: null });
    expect((await submit(key)).status).toBe(200);
  });

  it.each<[string, string, boolean]>([
    ['veo-3.1', 'veo-3.1', true],
    ['veo-3.1', 'veo-3x1', false],
    ['veo-*', 'veo-', true],
    ['*', 'anything', true],
    ['*-fast', 'veo-3-fast', true],
    ['*-fast', 'veo-fast-3', false],
    ['a*b*c', 'a-b-b-c', true],
    ['a*b*c', 'a-c-b', false],
    ['ab*ba', 'aba', false],
    ['*a*', 'xax', true],
    [`${'*a'.repeat(60)}*b`, 'a'.repeat(60), false],
  ])('with %j: %j → %j', (glob, id, matches) => {
    expect(matchesGlob(glob, id)).toBe(matches);
  });
});

describe('default metadata', () => {
  it('are those of the project, then of the key, and the caller has the last word', async () => {
    await send('POST', '/v1/admin/projects', {
      id: 'labelled',
      default_metadata: { a: 'p', b: 'p', c: 'p' },
    });
    const { key } = await made({ project: 'labelled', default_metadata: { b: 'k', c: 'k' } });
    const { body } = await submit(key, { metadata: { c: 'mine', d: 'mine' } });
    const { body: task } = await t.json(`/v1/video/generations/${body.task_id}`, { key });
    expect(task.metadata).toEqual({ a: 'p', b: 'k', c: 'mine', d: 'mine' });
    const listed = await t.json('/v1/video/generations?metadata[a]=p', { key });
    expect(listed.body.data).toHaveLength(1);
  });

  it('and those of the caller are sixteen at most', async () => {
    const pairs = (from: number, to: number) =>
      Object.fromEntries(Array.from({ length: to - from }, (_, n) => [`k${from + n}`, 'v']));
    const { key } = await made({ default_metadata: pairs(0, 10) });
    expect((await submit(key, { metadata: pairs(5, 16) })).status).toBe(200);
    const { status, body } = await submit(key, { metadata: pairs(10, 17) });
    expect([status, body.error.param]).toEqual([400, 'metadata']);
    expect(body.error.message).toContain('17 pairs, and a task has 16 at most: 10 come from the defaults');
  });
});

describe('a key', () => {
  it('is changed at once in all that it may', async () => {
    const { key, id } = await made({ expires_in: 100 });
    const change = {
      name: 'renamed',
      scopes: ['read'],
      limits: { tasks_in_flight: 2 },
      default_metadata: { x: 'y' },
      expires_in: null,
    };
    const { status, body } = await send('PATCH', `/v1/admin/keys/${id}`, change);
    const { expires_in: _, ...shown } = change;
    expect([status, body]).toEqual([200, expect.objectContaining(shown)]);
    expect(body).not.toHaveProperty('expires_at');
    expect((await submit(key)).status).toBe(403);
    await send('PATCH', `/v1/admin/keys/${id}`, { expires_in: 5 });
    now += 5000;
    expect((await t.call('/v1/models', { key })).status).toBe(401);
    expect(await lastAudit(`subject=${id}`)).toMatchObject({
      action: 'key.changed',
      detail: { expires_at: [null, Math.floor(now / 1000)] },
    });
    for (const bad of [{ scopes: [] }, { models: [] }, { models: ['a b'] }, { color: 1 }, { expires_in: 0 }])
      expect((await send('PATCH', `/v1/admin/keys/${id}`, bad)).status).toBe(400);
    expect((await send('PATCH', '/v1/admin/keys/key_none', {})).status).toBe(404);
  });

  it('that is the last with admin scope keeps it, unless it is forced', async () => {
    const { body } = await t.json('/v1/admin/keys');
    const admin = body.data.find(({ scopes }: Json) => scopes.includes('admin'));
    const path = `/v1/admin/keys/${admin.id}`;
    for (const change of [{ scopes: ['read'] }]) {
      const kept = await send('PATCH', path, change);
      expect([kept.status, kept.body.error.reason]).toEqual([409, 'last_admin_key']);
    }
    expect((await t.json('/v1/admin/keys', { key: KEY })).status).toBe(200);
  });

  it('is rotated: the next one may do the same, and the former one expires after the overlap', async () => {
    const before = await made({
      project: 'rotated',
      models: ['onetake-*'],
      limits: { requests_per_minute: 1000 },
    });
    const { status, body } = await send('POST', `/v1/admin/keys/${before.id}/rotate`, { overlap: 60 });
    expect(status).toBe(201);
    const { project, models, limits, scopes, name } = before;
    expect(body).toMatchObject({ project, models, limits, scopes, name });
    expect(body.former).toMatchObject({
      id: before.id,
      replaced_by: body.id,
      expires_at: Math.floor(now / 1000) + 60,
    });
    for (const key of [before.key, body.key]) expect((await submit(key)).status).toBe(200);
    now += 60_000;
    expect((await submit(before.key)).status).toBe(401);
    expect((await submit(body.key)).status).toBe(200);
    const again = await send('POST', `/v1/admin/keys/${before.id}/rotate`, {});
    expect([again.status, again.body.error.message]).toEqual([409, expect.stringContaining(body.id)]);
    const audit = await lastAudit(`subject=${before.id}`);
    expect(audit).toMatchObject({
      action: 'key.rotated',
      detail: { replaced_by: body.id, overlap_seconds: 60 },
    });
    expect((await send('POST', '/v1/admin/keys/key_none/rotate', {})).status).toBe(404);
  });
});

describe('the audit log', () => {
  it('is read page by page, and has no secret', async () => {
    const { key } = await made({ name: 'secretive' });
    const whole = (await t.json('/v1/admin/audit?limit=100')).body;
    const pages: Json[] = [];
    for (let after = ''; ; ) {
      const { body } = await t.json(`/v1/admin/audit?limit=3${after && `&after=${after}`}`);
      pages.push(...body.data);
      if (!body.has_more) break;
      after = body.next_cursor;
    }
    expect(pages).toEqual(whole.data);
    expect(pages.length).toBeGreaterThan(5);
    const text = JSON.stringify(pages);
    expect(text).not.toContain(key);
    expect(text).not.toMatch(/[0-9a-f]{64}/);
    const actions = (await t.json('/v1/admin/audit?action=key.created&limit=100')).body.data;
    expect(new Set(actions.map(({ action }: Json) => action))).toEqual(new Set(['key.created']));
    const later = Math.floor(now / 1000) + 1;
    expect((await t.json(`/v1/admin/audit?from=${later}`)).body.data).toEqual([]);
    expect((await t.json(`/v1/admin/audit?to=${later}&limit=100`)).body.data).toEqual(pages);
    expect((await t.json('/v1/admin/audit?after=x')).status).toBe(400);
  });
});
