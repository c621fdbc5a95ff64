import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { recover } from '../../src/cli/operator/recover.ts';
import { joinCluster } from '../../src/cluster/postgres/cluster.ts';
import { BACKUP, isMarked, markFolder } from '../../src/store/folder/marks.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { accepted } from '../store/contract/steps.ts';
import { openStore } from '../store/postgres/openStore.ts';
import { anAcceptance, aTask, START_OF_TIME } from '../support/builders.ts';
import { ledgerInDatabase, ledgerInFolder, type StoreWithLedger, sums } from '../support/ledger.ts';
import { STEADY } from '../support/nodes/clusters.ts';
import { createNodes } from '../support/nodes/world.ts';
import { onetake } from '../support/processes/commandLine.ts';
import { copyDatabase, freshDatabase } from '../support/servers/database.ts';
import { tempFolder } from '../support/tempFolder.ts';
import { fill, fillFolder } from './folder.ts';

const NOW = START_OF_TIME + 86_400_000;

describe.each<[string, () => Promise<StoreWithLedger>]>([
  [
    'SQLite',
    async () => {
      const dir = await tempFolder();
      const store = await openSqliteStore({ dir, exclusive: true });
      onTestFinished(() => store.close());
      return { ...store, ledger: async (id) => ledgerInFolder(dir, id) };
    },
  ],
  ['PostgreSQL', async () => openStore(await freshDatabase())],
])('recovering %s', (_name, open) => {
  it('fails tasks that may have been submitted since, releases their holds, and leaves everything else unchanged', async () => {
    const store = await open();
    const { tasks } = await fill(store);
    expect(await recover(store, NOW)).toEqual({ failed: 2, followed: 2 });
    for (const [phase, before] of tasks) {
      const after = await store.task(before.id);
      if (phase !== 'accepted' && phase !== 'submitting') {
        expect(after?.version, phase).toBe(before.version);
        continue;
      }
      expect(after, phase).toMatchObject({
        phase: 'failed',
        completedAt: NOW,
        error: { reason: 'submission_unknown', message: expect.stringMatching(/restored from a backup/) },
      });
      expect(sums(await store.ledger(before.id))).toEqual({ hold: 400_000, release: 400_000 });
    }
    // A refused attempt stays refused; an attempt in progress has an unknown outcome.
    const attempt = async (phase: 'accepted' | 'submitting') =>
      (await store.task(tasks.get(phase)?.id ?? ''))?.attempt;
    expect(await attempt('accepted')).toMatchObject({ number: 1, outcome: 'refused' });
    expect(await attempt('submitting')).toMatchObject({ number: 2, outcome: 'unknown' });
    expect(await recover(store, NOW)).toEqual({ failed: 0, followed: 2 });
  });

  it('makes an Idempotency-Key return the failed task, so that a client that retries learns of it', async () => {
    const store = await open();
    const { tasks } = await fill(store);
    await recover(store, NOW);
    const idempotency = { key: 'once accepted', bodyHash: 'accepted', expiresAt: 2 ** 43 };
    expect(await store.accept(anAcceptance(aTask({ createdAt: NOW }), { idempotency }))).toMatchObject({
      outcome: 'replayed',
      task: { id: tasks.get('accepted')?.id, phase: 'failed' },
    });
  });

  it('handles any number of tasks of any number of owners', async () => {
    const store = await open();
    await Promise.all(Array.from({ length: 1203 }, (_, n) => accepted(store, { owner: `node-${n % 3}` })));
    expect(await recover(store, NOW)).toEqual({ failed: 1203, followed: 0 });
    expect((await store.loads()).size).toBe(0);
  });
});

describe('onetake recover', () => {
  it('is refused while a gateway runs on the database, and leaves waiting tasks unchanged', async () => {
    const url = await freshDatabase();
    const store = await openStore(url);
    const task = await accepted(store);
    const cluster = await joinCluster({ ...STEADY, url, log: pino({ level: 'silent' }) });
    onTestFinished(() => cluster.close());
    expect(await onetake({ ONETAKE_DATABASE_URL: url }, 'recover')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/Stop every gateway.*node-1/),
    });
    expect(await store.task(task.id)).toEqual(task);
    await cluster.close();
    const env = { ONETAKE_DATABASE_URL: url };
    expect(await onetake(env, 'recover')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^1 tasks/m),
    });
  });

  it('is refused while a gateway runs on the folder', async () => {
    const dir = await tempFolder();
    await fillFolder(dir);
    const holder = fileURLToPath(new URL('../store/sqlite/holdFolder.ts', import.meta.url));
    const child = spawn(process.execPath, [holder, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    expect(await onetake({ ONETAKE_DATA_DIR: dir }, 'recover')).toMatchObject({ code: 1, stdout: '' });
  });

  it('makes a backup usable as a data folder', async () => {
    const dir = await tempFolder();
    const { tasks } = await fillFolder(dir);
    markFolder(dir, BACKUP, 'as onetake backup does');
    await expect(openSqliteStore({ dir, exclusive: true })).rejects.toMatchObject({
      code: 'data_dir_is_backup',
      message: expect.stringContaining(`ONETAKE_DATA_DIR=${dir} onetake recover`),
    });
    const { code, stdout } = await onetake({ ONETAKE_DATA_DIR: dir }, 'recover');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^2 tasks .* 2 that were upstream/m);
    // Each failed task, with the reason.
    expect(stdout).toMatch(
      new RegExp(`^${tasks.get('accepted')?.id} .*waited when the backup was made`, 'm'),
    );
    expect(stdout).toMatch(new RegExp(`^${tasks.get('submitting')?.id} .*was being submitted`, 'm'));
    expect(isMarked(dir, BACKUP)).toBe(false);
    await (await openSqliteStore({ dir, exclusive: true })).close();
  });

  it('lists the failed tasks as JSON for programs', async () => {
    const dir = await tempFolder();
    const { tasks } = await fillFolder(dir);
    const { stdout } = await onetake({ ONETAKE_DATA_DIR: dir }, 'recover', '--json');
    const { failed, followed } = JSON.parse(stdout);
    expect(followed).toBe(2);
    expect(failed.map(({ task_id }: { task_id: string }) => task_id).sort()).toEqual(
      ['accepted', 'submitting'].map((phase) => tasks.get(phase as 'accepted')?.id).sort(),
    );
    expect(failed[0]).toEqual({
      task_id: expect.any(String),
      project: expect.any(String),
      model: expect.any(String),
      account: expect.anything(),
      why: expect.stringMatching(/backup/),
    });
  });

  it('creates no missing folder, and says which database could not be reached', async () => {
    const dir = join(await tempFolder(), 'nothing');
    expect(await onetake({ ONETAKE_DATA_DIR: dir }, 'recover')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/no onetake\.db/),
    });
    const env = { ONETAKE_DATABASE_URL: 'postgres://127.0.0.1:1/videos' };
    expect(await onetake(env, 'recover')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/videos at 127\.0\.0\.1:1/),
    });
  });
});

describe('gateways on a restored older database', () => {
  /** Takes a copy with a task in each unfinished phase, lets everything end, and returns to the copy. */
  async function restored() {
    let over = false;
    const limits = { inFlight: 2 };
    const world = await createNodes({
      limits,
      // The upstream keeps its results, because a deleted job could not be downloaded a second time.
      abilities: ['pollMany', 'find', 'cancel'],
      behaviour: () => ({ answers: [over ? 'succeeded' : 'in_progress'] }),
    });
    const first = await world.join();
    const running = await first.submit('running');
    await world.until(running.id, ({ phase }) => phase === 'running');
    first.provider.hold('submit');
    const submitting = await first.submit('submitting');
    await world.until(submitting.id, ({ phase }) => phase === 'submitting');
    const waiting = await first.submit('waiting');
    await first.kill();
    const url = await copyDatabase(world.url);

    over = true;
    const second = await world.join();
    const ids = [running, submitting, waiting].map(({ id }) => id);
    for (const id of ids) expect(await world.ends(id)).toMatchObject({ phase: 'succeeded' });
    await second.drain();
    expect(world.upstream.count('submit')).toBe(3);
    return {
      ids,
      upstream: world.upstream,
      url,
      again: () => createNodes({ url, limits, upstream: world.upstream }),
    };
  }

  it('submit nothing again after onetake recover, and continue with the upstream jobs', async () => {
    const { ids, upstream, url, again } = await restored();
    expect((await onetake({ ONETAKE_DATABASE_URL: url }, 'recover')).stdout).toMatch(
      /^2 tasks .* 1 that were/m,
    );
    const world = await again();
    const node = await world.join();
    const ends = await Promise.all(ids.map((id) => world.ends(id)));
    expect(ends.map(({ phase, error }) => error?.reason ?? phase)).toEqual([
      'succeeded',
      'submission_unknown',
      'submission_unknown',
    ]);
    const ledgers = await Promise.all(ids.map(async (id) => sums(await ledgerInDatabase(url, id))));
    const released = { hold: 400_000, release: 400_000 };
    expect(ledgers).toEqual([{ hold: 400_000, capture: 400_000 }, released, released]);
    expect(upstream.count('submit')).toBe(3);
    // It works as usual.
    expect(await world.ends((await node.submit('new')).id)).toMatchObject({ phase: 'succeeded' });
    expect(upstream.count('submit')).toBe(4);
  });

  it('would repeat submissions without onetake recover', async () => {
    const { ids, upstream, again } = await restored();
    const world = await again();
    await world.join();
    for (const id of ids) await world.ends(id);
    expect(upstream.count('submit')).toBe(5);
  });
});
