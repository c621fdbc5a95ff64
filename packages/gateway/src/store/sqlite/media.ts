import { MEDIA } from '../readRows.ts';
import type { MediaIndex } from '../store.ts';
import { mediaToRow } from '../tables.ts';
import { behind } from '../taskList.ts';
import type { SqliteParts } from './parts.ts';

export function sqliteMedia({ sql, rows, inGroup }: SqliteParts): MediaIndex {
  return {
    putMedia: (media) =>
      inGroup(() => {
        for (const row of media) sql.putMedia.run(mediaToRow(row));
      }),
    putFile: (file, mostBytes) =>
      inGroup(() => {
        const others = sql.bytesOfFiles.get(file.projectId, file.id)?.bytes ?? 0;
        if (others + (file.bytes ?? 0) > mostBytes) return false;
        sql.putMedia.run(mediaToRow(file));
        return true;
      }),
    async media(id) {
      const row = sql.media.get(id);
      return row && rows.one(MEDIA, row);
    },
    async mediaKeys(ids) {
      return new Map(sql.mediaKeys.all(JSON.stringify(ids)).map(({ id, storage_key }) => [id, storage_key]));
    },
    async mediaOf(taskId) {
      return rows.all(MEDIA, sql.mediaOf.all(taskId));
    },
    files: (query) =>
      rows.page(MEDIA, query.limit, (limit, before) => {
        const { oldestFirst, after = null, purpose = null, ...rest } = { ...query, ...behind(before) };
        return (oldestFirst ? sql.filesOldestFirst : sql.files).all({ ...rest, after, purpose, limit });
      }),
    async bytesOfFiles(projectId) {
      return sql.bytesOfFiles.get(projectId, '')?.bytes ?? 0;
    },
    sweepable: (now, pendingBefore, limit, except = []) =>
      rows.page(MEDIA, limit, (count, before) => {
        const passedOver = JSON.stringify([...except, ...before.map(({ id }) => id)]);
        return sql.sweepable.all(now, pendingBefore, passedOver, count);
      }),
    removeMedia: (ids) =>
      inGroup(() => {
        for (const id of ids) sql.removeMedia.run(id);
      }),
    markDamaged: (id, storageKey, now) =>
      inGroup(() => sql.markDamaged.run(id, storageKey, now).changes === 1),
    async mediaToRepair(before, after, limit) {
      return rows.all(MEDIA, sql.mediaToRepair.all(before, after, limit));
    },
    async mediaToCheck(before) {
      return rows.all(MEDIA, sql.mediaToCheck.all(before))[0];
    },
    markChecked: (id, at) => inGroup(() => void sql.markChecked.run(at, id)),
  };
}
