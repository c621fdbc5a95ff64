import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { migrateSqlite } from '../../../src/store/sqlite/migrations.ts';
import { EVENTS_OF_PROJECT } from '../../../src/store/sqlite/operations/events.ts';
import { tempFolder } from '../../support/tempFolder.ts';

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
