import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeyView } from '../../../src/api/schemas.ts';
import { KEY, QUICK, startTestGateway, type TestGateway } from '../../support/gateway.ts';

const CLI = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
const run = promisify(execFile);

let t: TestGateway;
beforeAll(async () => {
  t = await startTestGateway();
});
afterAll(() => t.end());

async function makeKey(body: Record<string, unknown>): Promise<{ key: string; id: string }> {
  const { status, body: made } = await t.json('/v1/admin/keys', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(status).toBe(201);
  return made;
}

describe('projects', () => {
  it("another project's task does not exist, for any request", async () => {
    const mine = await t.finished();
    const { key } = await makeKey({ name: 'stranger', project: 'elsewhere' });
    const id = mine.task_id;
    for (const [method, path] of [
      ['GET', `/v1/video/generations/${id}`],
      ['GET', `/v1/video/generations/${id}/content`],
      ['GET', `/v1/video/generations/${id}/events`],
      ['GET', `/v1/video/generations/download?id=${id}`],
      ['POST', `/v1/video/generations/${id}/cancel`],
      ['DELETE', `/v1/video/generations/${id}`],
    ] as const) {
      const { status, body } = await t.json(path, { method, key });
      expect([path, status]).toEqual([path, 404]);
      expect(body.error.reason).toBe('not_found');
    }
    expect((await t.json('/v1/video/generations', { key })).body.data).toEqual([]);
    expect((await t.json(`/v1/video/generations/${id}`)).body.status).toBe('succeeded');
  });
});

describe('the admin endpoint for keys', () => {
  it('creates a key that works, lists it without its secret, and revokes it at once', async () => {
    const made = await makeKey({ name: 'app' });
    expect(made.key).toMatch(/^sk-[\w-]{43}$/);
    expect((await t.submit(QUICK, { key: made.key })).status).toBe(200);

    const { body } = await t.json('/v1/admin/keys');
    const listed = body.data.find(({ id }: { id: string }) => id === made.id);
    expect(KeyView.strict().parse(listed)).toMatchObject({ name: 'app', prefix: made.key.slice(0, 10) });
    expect(JSON.stringify(body)).not.toContain(made.key);

    await t.json(`/v1/admin/keys/${made.id}`, { method: 'DELETE' });
    const { status, body: refused } = await t.submit(QUICK, { key: made.key });
    expect(status).toBe(401);
    expect(refused.error.message).toContain('revoked');
  });

  it('counts requests that the scopes of a key do not allow', async () => {
    const { key } = await makeKey({ name: 'reader', scopes: ['read'], limits: { requests_per_minute: 2 } });
    const statuses = [];
    // More than the rest of one minute and the whole of the next would let through.
    for (let i = 0; i < 5; i++) statuses.push((await t.submit(QUICK, { key })).status);
    expect(statuses.slice(0, 2)).toEqual([403, 403]);
    expect(statuses).toContain(429);
  });

  it('leaves event streams open when their key loses a scope that they do not need', async () => {
    const { key, id } = await makeKey({ name: 'both', scopes: ['read', 'billing'] });
    const change = (body: unknown) =>
      t.json(`/v1/admin/keys/${id}`, {
        method: 'PATCH',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const stream = await t.call('/v1/events', { key });
    const reader = (stream.body as ReadableStream<Uint8Array>).getReader();
    const ended = (async () => {
      while (!(await reader.read()).done);
      return 'ended';
    })();
    expect((await change({ scopes: ['read'] })).status).toBe(200);
    expect(await Promise.race([ended, t.json('/readyz').then(() => 'open')])).toBe('open');
    expect((await change({ scopes: ['billing'] })).status).toBe(200);
    expect(await ended).toBe('ended');
  });

  it('refuses keys without the admin scope', async () => {
    const { key } = await makeKey({ name: 'plain' });
    expect((await t.json('/v1/admin/keys', { key })).status).toBe(403);
  });

  it.each([
    {},
    { name: '' },
    { name: 'x', scopes: ['root'] },
    { name: 'x', color: 'red' },
    { name: 'x', expires_in: -1 },
  ])('refuses %j', async (body) => {
    const { status } = await t.json('/v1/admin/keys', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(status).toBe(400);
  });
});

describe('the command line for keys', () => {
  const onetake = (...args: string[]) =>
    run(process.execPath, [CLI, ...args], { env: { PATH: process.env.PATH, ONETAKE_DATA_DIR: t.dataDir } });

  it('works beside a running gateway, which notices a revocation', async () => {
    const { stdout } = await onetake('keys', 'create', '--name', 'from the shell', '--project', 'shell');
    const key = stdout.trim();
    expect((await t.json('/v1/models', { key })).status).toBe(200);

    const list = (await onetake('keys', 'list')).stdout.split('\n');
    const line = list.find((row) => row.includes('from the shell')) ?? '';
    expect(line).toContain(key.slice(0, 10));
    expect(list.join()).not.toContain(key);
    expect(list.join()).not.toContain(KEY);

    await onetake('keys', 'revoke', line.split(' ')[0] ?? '');
    await expect.poll(async () => (await t.json('/v1/models', { key })).status).toBe(401);
  });

  it.each([
    [['keys', 'create'], /name/],
    [['keys', 'revoke', 'key_none'], /key_none/],
    [['keys', 'smash'], /keys create, keys list, keys set, keys rotate or keys revoke/],
    [['fly'], /Usage/],
  ])('%j fails with what to do', async (args, message) => {
    await expect(onetake(...args)).rejects.toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
  });
});
