import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it, onTestFinished, vi } from 'vitest';
import { backupCommand } from '../../src/cli/operator/backup.ts';
import { createFileStorage } from '../../src/media/files/storage.ts';
import { BACKUP, MOVED, markFolder } from '../../src/store/folder/marks.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { accepted } from '../store/contract/steps.ts';
import { recordDiskSteps } from '../support/diskSteps.ts';
import { type Json, QUICK } from '../support/gateway.ts';
import { readAll } from '../support/http/readAll.ts';
import { onetake } from '../support/processes/commandLine.ts';
import { serveProcess } from '../support/processes/process.ts';
import { tempFolder } from '../support/tempFolder.ts';
import { fillFolder } from './folder.ts';

const KEY = 'sk-backup-0123456789abcdef';

const backUp = (dir: string, to: string) => onetake({ ONETAKE_DATA_DIR: dir }, 'backup', '--to', to);

async function serve(dataDir: string) {
  const env = { ONETAKE_DATA_DIR: dataDir, ONETAKE_BOOTSTRAP_KEY: KEY };
  const gateway = await serveProcess(env, (child) => onTestFinished(() => void child.kill('SIGKILL')));
  const call = (path: string, init: RequestInit = {}) =>
    fetch(gateway.base + path, {
      ...init,
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    });
  return {
    ...gateway,
    call,
    async submit(changes: object = {}): Promise<string> {
      const body = JSON.stringify({ ...QUICK, ...changes });
      const answer: Json = await (await call('/v1/video/generations', { method: 'POST', body })).json();
      return answer.task_id;
    },
    async ended(id: string): Promise<Json> {
      for (;;) {
        const task: Json = await (await call(`/v1/video/generations/${id}?wait=30`)).json();
        if (task.status === 'succeeded' || task.status === 'failed') return task;
      }
    },
    video: async (id: string) =>
      Buffer.from(await (await call(`/v1/video/generations/${id}/content`)).arrayBuffer()),
  };
}

it('a backup of a busy gateway starts as a gateway of its own after onetake recover', async () => {
  const [dir, parent] = [await tempFolder(), await tempFolder()];
  const to = join(parent, 'backup');
  const first = await serve(dir);
  const done = await first.submit();
  expect(await first.ended(done)).toMatchObject({ status: 'succeeded' });
  const video = await first.video(done);
  const busy = await Promise.all(
    Array.from({ length: 3 }, (_, seed) => first.submit({ duration: 2, seed: 10 + seed })),
  );
  expect(await backUp(dir, to)).toMatchObject({ code: 0, stdout: expect.stringMatching(/onetake recover/) });
  // The gateway was not affected.
  for (const id of busy) expect((await first.ended(id)).status).toBe('succeeded');
  await first.stop('SIGKILL');

  const refused = await onetake({ ONETAKE_DATA_DIR: to, ONETAKE_PORT: '0' }, 'serve');
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/is a backup.*onetake recover/) });
  expect(await onetake({ ONETAKE_DATA_DIR: to }, 'recover')).toMatchObject({ code: 0 });
  const second = await serve(to);
  expect(await second.video(done)).toEqual(video);
  for (const id of busy) {
    const task = await second.ended(id);
    expect([task.status, task.error?.reason ?? 'none']).toEqual(
      expect.toBeOneOf([
        ['succeeded', 'none'],
        ['failed', 'submission_unknown'],
      ]),
    );
  }
  expect(await second.ended(await second.submit({ seed: 99 }))).toMatchObject({ status: 'succeeded' });
});

it('is on the disk when the command ends, in an order that never leaves half a backup', async () => {
  const [dir, to] = [await tempFolder(), await tempFolder()];
  const { media } = await fillFolder(dir);
  vi.stubEnv('ONETAKE_DATA_DIR', dir);
  const said = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  onTestFinished(() => {
    vi.unstubAllEnvs();
    said.mockRestore();
  });
  const steps = recordDiskSteps(to);
  await backupCommand({ to });
  const [mark, draft, final] = [BACKUP, 'onetake.db.new', 'onetake.db'];
  // The mark is written before anything that looks like a data folder.
  expect(steps.slice(0, 3)).toEqual([`write ${mark}`, `sync ${mark}`, 'sync .']);
  expect(steps.slice(3, 5)).toEqual([`rm ${draft}`, `sync ${draft}`]);
  expect(steps.slice(-4)).toEqual([
    `rm ${final}-wal`,
    `rm ${final}-shm`,
    `rename ${draft} to ${final}`,
    'sync .',
  ]);
  const published = steps.indexOf(`rename ${draft} to ${final}`);
  for (const { storageKey } of media) {
    const copied = steps.indexOf(`rename media/${storageKey}.part to media/${storageKey}`);
    expect(copied).toBeGreaterThan(0);
    expect(copied).toBeLessThan(published);
  }
});

it('is of one moment, whatever is written in the meantime', async () => {
  const [dir, to] = [await tempFolder(), await tempFolder()];
  const store = await openSqliteStore({ dir, exclusive: true });
  onTestFinished(() => store.close());
  let over = false;
  const writing = (async () => {
    let written = 0;
    for (; !over; written++) await accepted(store);
    return written;
  })();
  await backUp(dir, to);
  over = true;
  const written = await writing;

  const copy = new Database(join(to, 'onetake.db'), { readonly: true });
  onTestFinished(() => void copy.close());
  const count = (table: string) => copy.prepare(`select count(*) from ${table}`).pluck().get();
  expect(copy.pragma('integrity_check', { simple: true })).toBe('ok');
  // A task and its hold are written together.
  expect(count('tasks')).toBe(count('ledger'));
  expect(count('tasks')).toBeGreaterThan(0);
  expect(count('tasks')).toBeLessThan(written);
});

it('repeated into the same folder, copies what is new and removes what was removed', async () => {
  const [dir, to] = [await tempFolder(), await tempFolder()];
  const { media } = await fillFolder(dir);
  expect((await backUp(dir, to)).stdout).toContain(`${media.length} media files copied, 0 already present`);
  const [removed, ...kept] = media;
  const store = await openSqliteStore({ dir, exclusive: true });
  await store.removeMedia([removed?.id ?? '']);
  const later = await accepted(store);
  await store.close();
  expect((await backUp(dir, to)).stdout).toContain(`0 media files copied, ${kept.length} already present`);

  const files = createFileStorage({ root: join(to, 'media') });
  expect(await files.stat(removed?.storageKey ?? '')).toBeUndefined();
  for (const { storageKey, content } of kept) {
    expect(await readAll(await files.read(storageKey))).toEqual(content);
  }
  expect((await onetake({ ONETAKE_DATA_DIR: to }, 'recover')).code).toBe(0);
  const copy = await openSqliteStore({ dir: to, exclusive: true });
  onTestFinished(() => copy.close());
  expect(await copy.task(later.id)).toMatchObject({ phase: 'failed' });
});

it('is not made into a folder in use, of a folder that was moved, or of PostgreSQL', async () => {
  const [dir, other] = [await tempFolder(), await tempFolder()];
  await fillFolder(dir);
  await fillFolder(other);
  const refused = async (message: RegExp, ended: ReturnType<typeof onetake>) =>
    expect(await ended).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(message) });
  await refused(/data folder in use/, backUp(dir, other));
  await refused(/needs its own folder/, backUp(dir, `${dir}/.`));
  await refused(/--to DIR/, onetake({ ONETAKE_DATA_DIR: dir }, 'backup'));
  await refused(/no onetake\.db/, backUp(join(dir, 'nothing'), join(dir, 'backup')));
  const shared = { ONETAKE_DATABASE_URL: 'postgres://127.0.0.1:1/videos' };
  await refused(/pg_dump/, onetake(shared, 'backup', '--to', join(dir, 'backup')));
  markFolder(dir, MOVED, 'as onetake import does');
  await refused(/moved into PostgreSQL/, backUp(dir, join(dir, 'backup')));
  await rm(join(dir, MOVED));
});
