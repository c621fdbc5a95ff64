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
  it('projects are created, shown, changed, archived and restored, and the audit log names the command line', async () => {
    const dir = await tempFolder();
    const projects = async (...args: string[]) => (await onetake(dir, 'projects', ...args)).stdout;
    const given = ['--monthly-budget', '12.50', '--tasks-in-flight', '3', '--metadata', 'team=a,stage=test'];
    expect(await projects('create', 'studio', '--name', 'The studio', ...given)).toBe('Created studio.\n');
    await onetake(dir, 'keys', 'create', '--name', 'app', '--project', 'studio', '--scopes', 'read');
    const shown = await projects('show', 'studio');
    expect(shown).toMatch(/^studio {2}active .* 3 tasks in flight, 12\.5 a month {2}The studio$/m);
    expect(shown).toMatch(/^metadata: team=a,stage=test$/m);
    expect(shown).toMatch(/^key_.* {2}read {2}app$/m);
    await projects('set', 'studio', '--monthly-budget', 'none', '--requests-per-minute', '60');
    await projects('archive', 'studio');
    expect(await projects('list')).toMatch(
      /^studio {2}archived .* 60 requests a minute, 3 tasks in flight /m,
    );
    expect(await projects('archive', 'studio', '--restore')).toBe('Restored studio.\n');

    const store = await openSqliteStore({ dir, exclusive: true });
    expect(await store.project('studio')).toStrictEqual({
      id: 'studio',
      name: 'The studio',
      createdAt: expect.any(Number),
      limits: { tasksInFlight: 3, requestsPerMinute: 60 },
      defaultMetadata: { team: 'a', stage: 'test' },
    });
    const audit = await store.audit({ limit: 10, subject: 'studio' });
    expect(audit.map(({ actor, action }) => `${actor} ${action}`)).toEqual([
      'cli project.restored',
      'cli project.archived',
      'cli project.changed',
      'cli project.created',
    ]);
    await store.close();
  });

  it('keys are changed as far as the options say, and rotated', async () => {
    const dir = await tempFolder();
    const { stderr } = await onetake(
      dir,
      ...['keys', 'create', '--name', 'app', '--models', 'veo-*,sora-2', '--requests-per-minute', '9'],
    );
    const [id = ''] = /key_[0-9a-f]{32}/.exec(stderr) ?? [];
    const changes = [
      '--name',
      'renamed',
      '--daily-budget',
      '5',
      '--models',
      'none',
      '--expires-in-days',
      '1',
    ];
    expect((await onetake(dir, 'keys', 'set', id, ...changes)).stdout).toBe(`Changed ${id} (renamed).\n`);
    const rotated = await onetake(dir, 'keys', 'rotate', id, '--overlap-hours', '0.5');
    expect(rotated.stdout).toMatch(/^sk-[\w-]{43}\n$/);
    const [next = ''] = /key_[0-9a-f]{32}/.exec(rotated.stderr) ?? [];
    const store = await openSqliteStore({ dir, exclusive: true });
    const rows = await store.listKeys();
    const limits = { requestsPerMinute: 9, dailyBudgetMicros: 5_000_000 };
    const [before, after] = [id, next].map((one) => rows.find((row) => row.id === one));
    expect(before).toMatchObject({ name: 'renamed', limits, replacedBy: next });
    expect(after).toMatchObject({ name: 'renamed', limits, family: id });
    expect(before).not.toHaveProperty('models');
    expect((before?.expiresAt ?? 0) - (after?.createdAt ?? 0)).toBeCloseTo(1_800_000, -4);
    await store.close();
    const again: unknown = await onetake(dir, 'keys', 'rotate', id).catch((error: unknown) => error);
    expect(again).toMatchObject({ stderr: expect.stringContaining(`rotate ${next} instead`) });
  });

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
    [['keys'], /create, list, set, rotate or revoke/],
    [['keys', 'create', '--name', 'a', '--scopes', 'root'], /--scopes takes generate, read, admin, billing/],
    [['keys', 'create', '--name', 'a', '--admin', '--scopes', 'read'], /either --admin/],
    [
      ['keys', 'create', '--name', 'a', '--requests-per-minute', '0'],
      /--requests-per-minute must be a whole number/,
    ],
    [['keys', 'create', '--name', 'a', '--daily-budget', 'lots'], /--daily-budget must be an amount/],
    [['keys', 'create', '--name', 'a', '--metadata', 'team'], /--metadata takes pairs/],
    [['keys', 'create', '--name', 'a', '--models', 'a b'], /models must be/],
    [['keys', 'set', 'key_a'], /Say what to change/],
    [['keys', 'rotate', 'key_a', '--overlap-hours', 'long'], /--overlap-hours must be/],
    [['projects'], /list, create, show, set or archive/],
    [['projects', 'create', 'a/b'], /id must be/],
    [['projects', 'set', 'a'], /Say what to change/],
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
