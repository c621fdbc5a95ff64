import type { Database } from 'better-sqlite3';
import type { EstimateStore, StoredEstimate } from '../store.ts';
import type { SqliteParts } from './parts.ts';

const COLUMNS = 'kind, data, version, updated_at as "updatedAt"';

export function sqliteEstimates({ inGroup }: Pick<SqliteParts, 'inGroup'>, db: Database): EstimateStore {
  const since = db.prepare<[number], StoredEstimate>(
    `select ${COLUMNS} from estimates where updated_at >= ? order by updated_at`,
  );
  const one = db.prepare<[string], StoredEstimate>(`select ${COLUMNS} from estimates where kind = ?`);
  const insert = db.prepare(`
    insert into estimates (kind, data, version, updated_at) values (@kind, @data, 1, @now) on conflict do nothing`);
  const update = db.prepare(`
    update estimates set data = @data, version = version + 1, updated_at = @now where kind = @kind and version = @version`);
  const trim = db.prepare(`
    delete from estimates where kind in (select kind from estimates order by updated_at desc limit -1 offset ?)`);
  return {
    estimates: async (from) => since.all(from),
    estimate: async (kind) => one.get(kind),
    putEstimate: ({ kind, data, version }, most) =>
      inGroup(() => {
        const now = Date.now();
        if (version > 0) return update.run({ kind, data, version, now }).changes > 0;
        const made = insert.run({ kind, data, now }).changes > 0;
        if (made) trim.run(most);
        return made;
      }),
  };
}
