import type { FileQuery, MediaRow } from '../../store.ts';
import { mediaToRow } from '../../tables.ts';
import type { ReadParts, WriteParts } from './parts.ts';

export const mediaWrites = ({ sql }: WriteParts) => ({
  putMedia(media: readonly MediaRow[]): void {
    for (const row of media) sql.putMedia.run(mediaToRow(row));
  },
  putFile(file: MediaRow, mostBytes: number): boolean {
    const others = sql.bytesOfFiles.get(file.projectId, file.id)?.bytes ?? 0;
    if (others + (file.bytes ?? 0) > mostBytes) return false;
    sql.putMedia.run(mediaToRow(file));
    return true;
  },
  removeMedia(ids: readonly string[]): void {
    for (const id of ids) sql.removeMedia.run(id);
  },
  markDamaged: (id: string, storageKey: string, now: number): boolean =>
    sql.markDamaged.run(id, storageKey, now).changes === 1,
  markChecked: (id: string, at: number): void => void sql.markChecked.run(at, id),
});

export const mediaReads = ({ sql }: ReadParts) => ({
  mediaKeys: (ids: readonly string[]) => sql.mediaKeys.all(JSON.stringify(ids)),
  files: ({ oldestFirst, after, purpose, ...rest }: FileQuery) =>
    (oldestFirst ? sql.filesOldestFirst : sql.files).all({
      ...rest,
      after: after ?? null,
      purpose: purpose ?? null,
    }),
  bytesOfFiles: (projectId: string): number => sql.bytesOfFiles.get(projectId, '')?.bytes ?? 0,
  sweepable: (now: number, pendingBefore: number, except: readonly string[], limit: number) =>
    sql.sweepable.all(now, pendingBefore, JSON.stringify(except), limit),
  mediaToRepair: (before: number, after: string, limit: number) =>
    sql.mediaToRepair.all(before, after, limit),
  mediaToCheck: (before: number) => sql.mediaToCheck.all(before),
});
