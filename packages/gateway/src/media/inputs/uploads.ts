import { open } from 'node:fs/promises';
import { fileTypeFromBuffer } from 'file-type';
import { OnetakeError } from '../../tasks/errors.ts';
import type { Clock } from '../../time/clock.ts';
import type { ImageFacts } from '../inspect/image.job.ts';
import { BadImage } from '../inspect/image.ts';
import type { MediaStorage } from '../media.ts';
import { imageTooLarge, isImageType, refused } from './bytes.ts';
import { type ClipProbes, measured } from './clips.ts';
import { EXTENSIONS, MAX_IMAGE_BYTES } from './reader.ts';
import type { FileRow, FileRows } from './rows.ts';
import { stage } from './staged.ts';

/** Stores what callers upload ahead of the requests that use it. */
export interface Uploads {
  /** Takes the bytes of a file in. They stay only if `keep` is called. */
  receive(pieces: AsyncIterable<Buffer>, projectId: string): Promise<Upload>;
  /** Removes a file. If its bytes cannot be removed now, the sweep does it. */
  remove(row: StoredFile): Promise<void>;
}

export interface Upload {
  readonly bytes: number;
  /**
   * Checks what the file is, and stores it durably. Throws a 400 if no model takes such a file, and a 409 if its project may keep no more.
   */
  keep(facts: KeptFile): Promise<FileRow>;
  discard(): Promise<void>;
}

interface KeptFile extends Required<Pick<FileRow, 'name' | 'purpose'>> {
  /** How long the file is kept from the beginning of its upload, milliseconds. */
  readonly keepMs: number;
  /** The most that the files of the project may have. */
  readonly projectBytes: number;
}

/** The row of a file, as the store has it. */
type StoredFile = Omit<FileRow, 'state' | 'kind' | 'bytes' | 'sha256'> &
  Partial<Pick<FileRow, 'bytes' | 'sha256'>>;

interface UploadParts extends ClipProbes {
  readonly storage: MediaStorage;
  readonly store: FileRows;
  readonly inspectImage: (path: string) => Promise<ImageFacts>;
  readonly clock: Clock;
}

/** The field of the form. */
const FIELD = 'file';

export function createUploads(parts: UploadParts): Uploads {
  const { storage, store, clock } = parts;
  return {
    async receive(pieces, projectId) {
      const staged = await stage<FileRow>(parts, 'file', projectId);
      try {
        await staged.fill(pieces);
      } catch (error) {
        await staged.discard();
        throw error;
      }
      return {
        bytes: staged.bytes,
        async keep({ keepMs, projectBytes, ...named }) {
          const facts = { ...named, expiresAt: staged.createdAt + keepMs };
          const row = await staged.commit(await formatOf(parts, staged), facts, async (file) => {
            // Counted by the write itself, because many uploads of a project may end at once.
            if (!(await store.putFile(file, projectBytes))) throw storageLimit(projectBytes);
          });
          const present: FileRow = { ...row, state: 'present' };
          await store.putMedia([present]);
          return present;
        },
        discard: staged.discard,
      };
    },

    async remove({ bytes = 0, sha256 = '', ...row }) {
      // From here on nobody finds it, and the sweep removes what cannot be removed below.
      const expired = { ...row, bytes, sha256, expiresAt: clock.now() };
      await store.putMedia([{ ...expired, kind: 'file', state: 'present' }]);
      const isGone = await storage.remove(row.storageKey).then(
        () => true,
        () => false,
      );
      if (isGone) await store.removeMedia([row.id]);
    },
  };
}

/** A 409 for a project whose files would be more than it may keep. */
export function storageLimit(projectBytes: number): OnetakeError {
  const most = Math.floor(projectBytes / 2 ** 20);
  const message = `Your project may keep ${most} MiB in files (ONETAKE_FILE_STORAGE_MB); delete some, or let them expire earlier with expires_after.`;
  return new OnetakeError('storage_limit', 409, message);
}

/** What the file is, by its bytes and not by its name. */
async function formatOf(
  parts: UploadParts,
  { path, bytes }: { readonly path: string; readonly bytes: number },
): Promise<string> {
  const type = (await fileTypeFromBuffer(await headOf(path)))?.mime ?? 'of no known type';
  if (isImageType(type)) {
    if (bytes > MAX_IMAGE_BYTES) throw imageTooLarge(FIELD, MAX_IMAGE_BYTES);
    await parts.inspectImage(path).catch((error: unknown) => {
      throw error instanceof BadImage ? refused(FIELD, error.message, error) : error;
    });
    return EXTENSIONS[type];
  }
  const [kind = ''] = type.split('/');
  if (kind === 'audio' || kind === 'video') {
    return (await measured(parts, { type: kind, field: FIELD }, path)).format;
  }
  throw refused(
    FIELD,
    `the file is ${type}, and no model takes that; send a PNG, JPEG or WebP image, an MP4, MOV or WebM video, or a WAV or MP3 sound.`,
  );
}

/** What file-type says it needs at most to tell a type. */
const HEAD_BYTES = 4100;

/** The first bytes, by which it is known. `fileTypeFromFile` loads a package by a name that bundlers do not see. */
async function headOf(path: string): Promise<Buffer> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
  return buffer.subarray(0, bytesRead);
}
