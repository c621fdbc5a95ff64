import { jsonRows } from '../jsonRows.ts';
import { MEDIA } from '../readRows.ts';
import type { MediaIndex } from '../store.ts';
import type { MediaTableRow } from '../tables.ts';
import { behind } from '../taskList.ts';
import type { PostgresParts } from './pool.ts';
import { SQL } from './statements.ts';
import { mediaRows } from './writes.ts';

export function postgresMedia({ connections: { run, read, transaction }, rows }: PostgresParts): MediaIndex {
  return {
    async putMedia(media) {
      await run(SQL.putMedia, [jsonRows(mediaRows(0, media))]);
    },
    putFile: (file, mostBytes) =>
      transaction(async (inside) => {
        await inside(SQL.lockFiles, [file.projectId]);
        const [others] = await inside<{ bytes: number }>(SQL.bytesOfFiles, [file.projectId, file.id]);
        if ((others?.bytes ?? 0) + (file.bytes ?? 0) > mostBytes) return false;
        await inside(SQL.putMedia, [jsonRows(mediaRows(0, [file]))]);
        return true;
      }),
    async media(id) {
      const [row] = await read<MediaTableRow>(SQL.media, [id]);
      return row && rows.one(MEDIA, row);
    },
    async mediaKeys(ids) {
      const found = await read<{ id: string; storage_key: string }>(SQL.mediaKeys, [ids]);
      return new Map(found.map(({ id, storage_key }) => [id, storage_key]));
    },
    mediaOf: async (taskId) => rows.all(MEDIA, await read<MediaTableRow>(SQL.mediaOf, [taskId])),
    files: (query) =>
      rows.page(MEDIA, query.limit, (limit, before) => {
        const { projectId, now, oldestFirst, after, purpose } = { ...query, ...behind(before) };
        const statement = oldestFirst ? SQL.filesOldestFirst : SQL.files;
        return read(statement, [projectId, now, purpose ?? null, after ?? null, limit]);
      }),
    async bytesOfFiles(projectId) {
      const [row] = await read<{ bytes: number }>(SQL.bytesOfFiles, [projectId, '']);
      return row?.bytes ?? 0;
    },
    sweepable: (now, pendingBefore, limit, except = []) =>
      rows.page(MEDIA, limit, (count, before) =>
        read(SQL.sweepable, [now, pendingBefore, [...except, ...before.map(({ id }) => id)], count]),
      ),
    async removeMedia(ids) {
      await run(SQL.removeMedia, [ids]);
    },
    markDamaged: async (id, storageKey, now) =>
      (await run(SQL.markDamaged, [id, storageKey, now])).length === 1,
    mediaToRepair: async (before, after, limit) =>
      rows.all(MEDIA, await read<MediaTableRow>(SQL.mediaToRepair, [before, after, limit])),
    mediaToCheck: async (before) => rows.all(MEDIA, await read<MediaTableRow>(SQL.mediaToCheck, [before]))[0],
    async markChecked(id, at) {
      await run(SQL.markChecked, [id, at]);
    },
  };
}
