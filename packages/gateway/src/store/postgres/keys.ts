import { KEY } from '../readRows.ts';
import type { KeyStore } from '../store.ts';
import { type KeyTableRow, keyToRow } from '../tables.ts';
import type { PostgresParts } from './pool.ts';
import { SQL } from './statements.ts';

export function postgresKeys({ connections: { run, read }, rows, node }: PostgresParts): KeyStore {
  return {
    async putKey(key, audit) {
      await run(SQL.putKey, [...Object.values(keyToRow(key)), JSON.stringify(audit), node()]);
    },
    async keyByHash(hash) {
      const [row] = await read<KeyTableRow>(SQL.keyByHash, [hash]);
      return row && rows.one(KEY, row);
    },
    listKeys: async () => rows.all(KEY, await read<KeyTableRow>(SQL.keys)),
    async revokeKey(id, at, audit, { force = false } = {}) {
      await run(SQL.revokeKey, [id, at, JSON.stringify(audit), node(), force]);
      const [row] = await read<KeyTableRow>(SQL.keyById, [id]);
      return row && rows.one(KEY, row);
    },
    async restoreKey(id, audit) {
      await run(SQL.restoreKey, [id, JSON.stringify(audit), node()]);
    },
  };
}
