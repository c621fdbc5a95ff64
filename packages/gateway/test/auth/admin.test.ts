import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { KEY, startTestGateway, type TestGateway } from '../support/gateway.ts';

let t: TestGateway;
let now = Date.now();
beforeAll(async () => {
  t = await startTestGateway({}, { clock: { now: () => now } });
});
afterAll(() => t.end());

const make = (body: unknown, key = KEY) =>
  t.json('/v1/admin/keys', {
    method: 'POST',
    key,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

describe('the admin endpoint', () => {
  it('creates keys that expire', async () => {
    const { status, body, headers } = await make({ name: 'guest', expires_in: 60 });
    expect(status).toBe(201);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body.expires_at - body.created_at).toBe(60);
    expect((await t.call('/v1/models', { key: body.key })).status).toBe(200);
    now += 60_000;
    const refused = await t.json('/v1/models', { key: body.key });
    expect([refused.status, refused.body.error.message]).toEqual([401, expect.stringContaining('expired')]);
  });

  it('creates keys with the requested scopes, and each key may only use its own', async () => {
    const { body: admin } = await make({ name: 'admin', scopes: ['admin'] });
    const submit = await t.submit({ model: 'onetake-preview', prompt: 'x' }, { key: admin.key });
    expect([submit.status, submit.body.error.reason]).toEqual([403, 'forbidden']);
    expect((await make({ name: 'made by it' }, admin.key)).status).toBe(201);
  });

  it('is closed to keys without the admin scope in all its parts', async () => {
    const { body: plain } = await make({ name: 'plain' });
    expect((await make({ name: 'x' }, plain.key)).status).toBe(403);
    expect((await t.json('/v1/admin/keys', { key: plain.key })).status).toBe(403);
    const revoke = await t.json(`/v1/admin/keys/${plain.id}`, { method: 'DELETE', key: plain.key });
    expect(revoke.status).toBe(403);
    expect((await t.call('/v1/models', { key: plain.key })).status).toBe(200);
  });

  it('revokes keys at once and for good, and reports when', async () => {
    const { body: made } = await make({ name: 'brief' });
    expect((await t.call('/v1/models', { key: made.key })).status).toBe(200);
    const first = await t.json(`/v1/admin/keys/${made.id}`, { method: 'DELETE' });
    expect(first.body).toMatchObject({ id: made.id, revoked_at: Math.floor(now / 1000) });
    expect((await t.call('/v1/models', { key: made.key })).status).toBe(401);
    now += 5000;
    const again = await t.json(`/v1/admin/keys/${made.id}`, { method: 'DELETE' });
    expect(again.body.revoked_at).toBe(first.body.revoked_at);
  });

  it('keeps the last admin key, unless it is forced; after a restart the configured key works again', async () => {
    const own = await startTestGateway();
    onTestFinished(() => own.end());
    const [{ id }] = (await own.json('/v1/admin/keys')).body.data;
    const path = `/v1/admin/keys/${id}`;
    for (const suffix of ['', '?force=false']) {
      const kept = await own.json(`${path}${suffix}`, { method: 'DELETE' });
      expect([kept.status, kept.body.error.reason]).toEqual([409, 'last_admin_key']);
    }
    expect((await own.call(`${path}?force=yes`, { method: 'DELETE' })).status).toBe(400);
    expect((await own.call(`${path}?force=true`, { method: 'DELETE' })).status).toBe(200);
    expect((await own.call('/v1/models')).status).toBe(401);
    await own.gateway.close();
    const again = await startTestGateway({}, { dataDir: own.dataDir });
    onTestFinished(() => again.end());
    expect((await again.call('/v1/models')).status).toBe(200);
  });

  it('answers with 404 for any other id', async () => {
    const { status, body } = await t.json('/v1/admin/keys/key_none', { method: 'DELETE' });
    expect([status, body.error.reason]).toEqual([404, 'not_found']);
  });

  it('never shows a key again, nor its hash', async () => {
    const { body: made } = await make({ name: 'shy' });
    const list = await (await t.call('/v1/admin/keys')).text();
    expect(list).toContain(made.id);
    expect(list).not.toContain(made.key);
    expect(list).not.toMatch(/[0-9a-f]{64}/);
    expect(t.log.join('')).not.toContain(made.key);
  });
});
