import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { migrateSqlite } from '../../../src/store/sqlite/migrations.ts';
import { EVENTS_OF_PROJECT } from '../../../src/store/sqlite/operations/events.ts';
import { tempFolder } from '../../support/tempFolder.ts';
import { endOf, failed, readAfter } from '../contract/events.ts';
import { openStore } from './embedded.ts';

it('a stream of a project reads its own events only, in order', async () => {
  const dir = await tempFolder();
  await migrateSqlite(dir);
  const db = new Database(join(dir, 'onetake.db'), { readonly: true });
  onTestFinished(() => void db.close());
  const plan = db
    .prepare<[string, number, number, number], { detail: string }>(`explain query plan ${EVENTS_OF_PROJECT}`)
    .all('project', 0, 9, 100);
  expect(plan.map(({ detail }) => detail)).toEqual([
    expect.stringMatching(
      /^SEARCH events USING INDEX events_by_project \(project_id=\? AND .*>\? AND .*<\?\)$/,
    ),
  ]);
});

it('a cursor behind an event that a power failure took passes over no later event', async () => {
  const [dir, after] = [await tempFolder(), await tempFolder()];
  const store = await openStore(dir);
  const before = await failed(store);
  // What was durable by then.
  await cp(dir, after, { recursive: true, filter: (path) => !/lock|-shm$/.test(path) });
  await failed(store);
  const cursor = await endOf(store);

  const restarted = await openStore(after);
  const next = await failed(restarted);
  const events = await readAfter(restarted, cursor);
  expect(events.map(({ event }) => event.taskId)).toEqual([next.id]);
  expect(await restarted.task(before.id)).toBeDefined();
});
