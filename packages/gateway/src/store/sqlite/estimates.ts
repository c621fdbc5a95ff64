import type { EstimateStore, StoredEstimate } from '../store.ts';
import type { SqliteParts } from './parts.ts';

const COLUMNS = 'kind, data, version, updated_at as "updatedAt"';

export function sqliteEstimates({ db, write }: SqliteParts): EstimateStore {
  const since = db.prepare<[number], StoredEstimate>(
    `select ${COLUMNS} from estimates where updated_at >= ? order by updated_at`,
  );
  const one = db.prepare<[string], StoredEstimate>(`select ${COLUMNS} from estimates where kind = ?`);
  return {
    estimates: async (from) => since.all(from),
    estimate: async (kind) => one.get(kind),
    putEstimate: (estimate, most) => write.putEstimate(estimate, most, Date.now()),
  };
}
