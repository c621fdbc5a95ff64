import type { AuditStore, KeyStore, ProjectStore } from '../projects.ts';
import { AUDIT, KEY, KEY_WITH_PROJECT, PROJECT } from '../readRows.ts';
import { projectRow } from './operations/projects.ts';
import type { SqliteParts } from './parts.ts';

export function sqliteKeys({ sql, rows, read, write }: SqliteParts): KeyStore {
  return {
    putKey: write.putKey,
    async keyByHash(hash) {
      const row = sql.keyByHash.get(hash);
      return row && rows.one(KEY_WITH_PROJECT, row);
    },
    async listKeys() {
      return rows.all(KEY, await read.keys());
    },
    async revokeKey(id, at, audit, { force = false } = {}) {
      const row = await write.revokeKey(id, at, audit, force);
      return row && rows.one(KEY, row);
    },
    async changeKey(id, changes, audit, options) {
      const { row, outcome } = await write.changeKey(id, changes, audit, options);
      return row ? { outcome, key: rows.one(KEY, row) } : { outcome: 'not_found' };
    },
    async rotateKey(id, identity, audit, times) {
      const { row, next } = await write.rotateKey(id, identity, audit, times);
      if (!row) return { outcome: 'not_found' };
      const key = rows.one(KEY, row);
      return next ? { outcome: 'rotated', key, next } : { outcome: 'invalid', key };
    },
    restoreKey: write.restoreKey,
  };
}

export function sqliteProjects({ db, rows, read, write }: SqliteParts): ProjectStore & AuditStore {
  const one = projectRow(db);
  return {
    putProject: write.putProject,
    async project(id) {
      const row = one.get(id);
      return row && rows.one(PROJECT, row);
    },
    listProjects: async () => rows.all(PROJECT, await read.projects()),
    async changeProject(id, changes, audit) {
      const row = await write.changeProject(id, changes, audit);
      return row && rows.one(PROJECT, row);
    },
    audit: (query) =>
      rows.page(AUDIT, query.limit, (limit, before) => {
        const after = before.at(-1)?.id ?? query.after;
        return read.audit({ ...query, limit, ...(after === undefined ? {} : { after }) });
      }),
  };
}
