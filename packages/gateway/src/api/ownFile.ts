import type { OpenFile } from '../media/inputs/bytes.ts';
import type { VerifiedMedia } from '../media/verified.ts';
import type { MediaIndex, MediaRow } from '../store/store.ts';
import { OnetakeError } from '../tasks/errors.ts';
import { mediaIdOfFile } from '../tasks/ids.ts';
import type { Clock } from '../time/clock.ts';

interface OwnFileParts {
  readonly store: Pick<MediaIndex, 'media'>;
  readonly media: Pick<VerifiedMedia<MediaRow>, 'read'>;
  readonly clock: Clock;
}

/** The row of an uploaded file. Throws a 404 that names `param` if the project has none with this id, or none any more. */
export async function ownFile(
  { store, clock }: Pick<OwnFileParts, 'store' | 'clock'>,
  id: string,
  projectId: string,
  param: string,
): Promise<MediaRow> {
  const mediaId = mediaIdOfFile(id);
  const row = mediaId === undefined ? undefined : await store.media(mediaId);
  const isThere =
    row?.kind === 'file' &&
    row.projectId === projectId &&
    row.state !== 'pending' &&
    (row.expiresAt ?? Number.POSITIVE_INFINITY) > clock.now();
  if (isThere) return row;
  throw fileNotFound(id, param);
}

export function fileNotFound(id: string, param: string): OnetakeError {
  const shown = JSON.stringify(id.slice(0, 64).toWellFormed());
  const message = `${param}: there is no file ${shown} in your project; it may have been deleted or have expired.`;
  return new OnetakeError('not_found', 404, message, { param });
}

/** Opens uploaded files as inputs of requests. */
export const createFileOpener =
  (parts: OwnFileParts): OpenFile =>
  async (id, projectId, field) => {
    const row = await ownFile(parts, id, projectId, field);
    return {
      contentType: row.contentType,
      bytes: row.bytes ?? 0,
      read: () =>
        parts.media.read(row).catch(async (error: unknown) => {
          // If the file was deleted meanwhile, its bytes are not missing: it is a 404 like any deleted file.
          await ownFile(parts, id, projectId, field);
          throw error;
        }),
    };
  };
