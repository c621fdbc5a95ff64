import { KEY } from '../readRows.ts';
import type { AuditRow, KeyRow, KeyStore } from '../store.ts';
import { keyToRow } from '../tables.ts';
import type { SqliteParts } from './parts.ts';

export function sqliteKeys({ sql, rows, inGroup }: SqliteParts): KeyStore {
  const writeAudit = (row: AuditRow) => sql.insertAudit.run(row);
  return {
    putKey: (key: KeyRow, audit: AuditRow) =>
      inGroup(() => {
        sql.ensureProject.run(key.projectId, key.projectId, key.createdAt);
        sql.putKey.run(keyToRow(key));
        writeAudit(audit);
      }),
    async keyByHash(hash) {
      const row = sql.keyByHash.get(hash);
      return row && rows.one(KEY, row);
    },
    async listKeys() {
      return rows.all(KEY, sql.keys.all());
    },
    revokeKey: (id, at, audit, { force = false } = {}) =>
      inGroup(() => {
        if (sql.revokeKey.run({ id, at, force: Number(force) }).changes > 0) writeAudit(audit);
        const row = sql.keyById.get(id);
        return row && rows.one(KEY, row);
      }),
    restoreKey: (id, audit) =>
      inGroup(() => {
        if (sql.restoreKey.run(id).changes > 0) writeAudit(audit);
      }),
  };
}
