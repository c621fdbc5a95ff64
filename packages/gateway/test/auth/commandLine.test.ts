import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKeys } from '../../src/auth/keys.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { tempFolder } from '../support/tempFolder.ts';

const CLI = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const run = promisify(execFile);
const onetake = (dir: string, ...args: string[]) =>
  run(process.execPath, [CLI, ...args], { env: { PATH: process.env.PATH, ONETAKE_DATA_DIR: dir } });

describe('beside a running gateway', () => {
  let t: TestGateway;
  beforeAll(async () => {
    t = await startTestGateway();
  });
  afterAll(() => t.end());

  it('a key created by the command line works at once, is listed, and stops working once it is revoked', async () => {
    const made = await onetake(t.dataDir, 'keys', 'create', '--name', 'from the shell', '--project', 'shell');
    const key = made.stdout.trim();
    const [id = ''] = /key_[0-9a-f]{32}/.exec(made.stderr) ?? [];
    // Standard output has only the key, for scripts.
    expect(made.stdout).toMatch(/^sk-[\w-]{43}\n$/);
    expect(made.stderr).toContain('project shell');
    expect((await t.call('/v1/models', { key })).status).toBe(200);

    const { stdout } = await onetake(t.dataDir, 'keys', 'list');
    expect(stdout).toMatch(new RegExp(`^${id} .*active .*shell .*from the shell$`, 'm'));
    expect(stdout).not.toContain(key);

    expect((await onetake(t.dataDir, 'keys', 'revoke', id)).stdout).toContain(id);
    await expect.poll(async () => (await t.call('/v1/models', { key })).status).toBe(401);
    expect((await onetake(t.dataDir, 'keys', 'list')).stdout).toMatch(new RegExp(`^${id} .*revoked `, 'm'));
  });

  it('an admin key created by the command line may create keys, another key may not', async () => {
    const make = async (...more: string[]) => {
      const key = (await onetake(t.dataDir, 'keys', 'create', '--name', 'boss', ...more)).stdout.trim();
      const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name": "x"}' };
      return (await t.json('/v1/admin/keys', { key, ...init })).status;
    };
    expect(await make('--admin')).toBe(201);
    expect(await make()).toBe(403);
  });
});

describe('without a gateway', () => {
  it('revokes the last admin key only with --force', async () => {
    const dir = await tempFolder();
    const { stderr } = await onetake(dir, 'keys', 'create', '--name', 'boss', '--admin');
    const [id = ''] = /key_[0-9a-f]{32}/.exec(stderr) ?? [];
    const failure: unknown = await onetake(dir, 'keys', 'revoke', id).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: expect.any(Number), stderr: expect.stringContaining('--force') });
    expect((await onetake(dir, 'keys', 'revoke', id, '--force')).stdout).toContain(`Revoked ${id}`);
  });

  it('keys list shows whether a key is active or expired', async () => {
    const dir = await tempFolder();
    await onetake(dir, 'keys', 'create', '--name', 'guest', '--expires-in-days', '30');
    const store = await openSqliteStore({ dir, exclusive: true });
    const [row] = await store.listKeys();
    expect((row?.expiresAt ?? 0) - (row?.createdAt ?? 0)).toBeCloseTo(30 * 86_400_000, -4);
    const past = { name: 'past', expiresAt: Date.now() - 1 };
    await createKeys(store, { now: () => Date.now() - 1000 }).create(past, 'test');
    await store.close();

    const lines = (await onetake(dir, 'keys', 'list')).stdout.split('\n');
    expect(lines.find((line) => line.endsWith('guest'))).toMatch(/ active /);
    expect(lines.find((line) => line.endsWith('past'))).toMatch(/ expired /);
  });

  it.each<[readonly string[], RegExp]>([
    [['keys'], /create, list or revoke/],
    [['keys', 'create'], /--name/],
    [['keys', 'create', '--name', ''], /--name/],
    [['keys', 'create', '--name', 'a/b'], /name must be/],
    [['keys', 'create', '--name', 'a', '--expires-in-days', '0'], /--expires-in-days must be a whole number/],
    [['keys', 'create', '--name', 'a', '--expires-in-days', 'soon'], /--expires-in-days/],
    [['keys', 'create', '--name', 'a', '--expires-in-days', '999999999'], /--expires-in-days/],
    [['keys', 'create', '--name', 'a', '--sudo'], /--sudo/],
    [['keys', 'create', 'my app'], /my app/],
    [['keys', 'list', 'mine'], /mine/],
    [['keys', 'revoke'], /Say which key/],
    [['keys', 'revoke', 'key_a', 'key_b'], /one key/],
    [['keys', 'revoke', 'key_none'], /There is no onetake\.db/],
  ])('%j is a usage error: exit code 2, one message, nothing created', async (args, message) => {
    const dir = await tempFolder();
    const failure: unknown = await onetake(dir, ...args).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(message) });
    expect(failure).not.toMatchObject({ stderr: expect.stringContaining('    at ') });
    if (!existsSync(join(dir, 'onetake.db'))) return;
    const store = await openSqliteStore({ dir, exclusive: true });
    expect(await store.listKeys()).toEqual([]);
    await store.close();
  });

  it('the error for an unknown key names it', async () => {
    const dir = await tempFolder();
    await onetake(dir, 'keys', 'create', '--name', 'a');
    const failure: unknown = await onetake(dir, 'keys', 'revoke', 'key_none').catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/key_none/) });
  });
});
