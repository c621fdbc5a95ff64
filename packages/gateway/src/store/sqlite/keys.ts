import { KEY } from '../readRows.ts';
import type { KeyStore } from '../store.ts';
import type { SqliteParts } from './parts.ts';

export function sqliteKeys({ sql, rows, read, write }: SqliteParts): KeyStore {
  return {
    putKey: write.putKey,
    async keyByHash(hash) {
      const row = sql.keyByHash.get(hash);
      return row && rows.one(KEY, row);
    },
    async listKeys() {
      return rows.all(KEY, await read.keys());
    },
    async revokeKey(id, at, audit, { force = false } = {}) {
      const row = await write.revokeKey(id, at, audit, force);
      return row && rows.one(KEY, row);
    },
    restoreKey: write.restoreKey,
  };
}
