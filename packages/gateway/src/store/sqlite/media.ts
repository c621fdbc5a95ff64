import { MEDIA } from '../readRows.ts';
import type { MediaIndex } from '../store.ts';
import { behind } from '../taskList.ts';
import type { SqliteParts } from './parts.ts';

export function sqliteMedia({ sql, rows, read, write }: SqliteParts): MediaIndex {
  return {
    putMedia: write.putMedia,
    putFile: write.putFile,
    async media(id) {
      const row = sql.media.get(id);
      return row && rows.one(MEDIA, row);
    },
    async mediaKeys(ids) {
      return new Map((await read.mediaKeys(ids)).map(({ id, storage_key }) => [id, storage_key]));
    },
    async mediaOf(taskId) {
      return rows.all(MEDIA, sql.mediaOf.all(taskId));
    },
    files: (query) =>
      rows.page(MEDIA, query.limit, (limit, before) => read.files({ ...query, ...behind(before), limit })),
    bytesOfFiles: read.bytesOfFiles,
    sweepable: (now, pendingBefore, limit, except = []) =>
      rows.page(MEDIA, limit, (count, before) =>
        read.sweepable(now, pendingBefore, [...except, ...before.map(({ id }) => id)], count),
      ),
    removeMedia: write.removeMedia,
    markDamaged: write.markDamaged,
    async mediaToRepair(before, after, limit) {
      return rows.all(MEDIA, await read.mediaToRepair(before, after, limit));
    },
    async mediaToCheck(before) {
      return rows.all(MEDIA, await read.mediaToCheck(before))[0];
    },
    markChecked: write.markChecked,
  };
}
