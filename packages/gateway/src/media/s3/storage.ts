import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { type FileHandle, rm } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import type { DiskSpace } from '../diskSpace.ts';
import { explained, makeFolder } from '../files/disk.ts';
import { removeOldFiles } from '../files/list.ts';
import { openFileWrite, removeStaged, stagedFileOf } from '../files/write.ts';
import { MissingObject, requireMediaKey } from '../key.ts';
import { type MediaStat, type MediaStorage, StoredWrong } from '../media.ts';
import { claimBucket } from './claim.ts';
import { type BucketOptions, openBucket } from './client.ts';
import { explainedS3, isNoSuchKey, noSuchBucket } from './errors.ts';
import { withIdleTimeout } from './idleTimeout.ts';
import { abortOldUploads, listObjects } from './list.ts';
import { uploadFile } from './upload.ts';

export interface S3Options extends BucketOptions {
  /** A folder that only this process uses. Bytes are staged and checked here before they are uploaded. */
  readonly scratch: string;
  readonly space?: DiskSpace | undefined;
  /** Milliseconds of a monotonic clock. */
  readonly monotonic?: () => number;
}

/** Concurrent uploads. Each holds three parts of 8 MiB in memory: two being sent, one being read. */
const UPLOADS = 4;
/** How long the result of a check is reused. Milliseconds. */
const CHECK_FRESH_MS = 5000;

/**
 * Stores media as objects of a bucket: `<prefix>/video/<id>.mp4`. An error that the operator must fix becomes a 503 that
 * names the setting to check.
 */
export function createS3Storage(options: S3Options): MediaStorage {
  const bucket = openBucket(options);
  const { requests, uploads, timeouts, objectKey } = bucket;
  const scratch = resolve(options.scratch);
  const busy = new Set<string>();
  const uploading = pLimit(UPLOADS);
  const monotonic = options.monotonic ?? (() => performance.now());

  const partOf = (key: string): string => join(scratch, `${key}.part`);
  const at = (key: string) => ({ Bucket: bucket.name, Key: objectKey(key) });

  // Shared, because every ingest begins by asking for a video that does not exist yet.
  const bucketIsThere = sharedCheck(
    async () => {
      await requests.send(new HeadBucketCommand({ Bucket: bucket.name })).catch((cause: unknown) => {
        throw isNoSuchKey(cause) ? noSuchBucket(cause) : cause;
      });
    },
    CHECK_FRESH_MS,
    monotonic,
  );

  async function stat(key: string): Promise<MediaStat | undefined> {
    requireMediaKey(key);
    return explainedS3(async () => {
      try {
        const { ContentLength, LastModified } = await requests.send(new HeadObjectCommand(at(key)));
        return { bytes: ContentLength ?? 0, modifiedAt: LastModified?.getTime() ?? 0 };
      } catch (error) {
        if (!isNoSuchKey(error)) throw error;
        // A missing bucket must not be reported as a missing video.
        await bucketIsThere();
        return undefined;
      }
    });
  }

  async function upload(key: string, file: FileHandle): Promise<MediaStat> {
    const { size } = await file.stat();
    await uploadFile(bucket, key, file);
    const stored = await stat(key);
    if (stored?.bytes === size) return stored;
    const wrong = `${key} has ${stored?.bytes ?? 'no'} bytes in the bucket instead of ${size}`;
    try {
      await requests.send(new DeleteObjectCommand(at(key)));
    } catch (cause) {
      throw new StoredWrong(`${wrong}, and cannot be removed`, { cause });
    }
    throw new Error(wrong);
  }

  async function get(key: string, range?: { start: number; end: number }): Promise<Readable> {
    return explainedS3(async () => {
      const { Body, ContentRange } = await requests.send(
        new GetObjectCommand({
          ...at(key),
          ...(range ? { Range: `bytes=${range.start}-${range.end}` } : {}),
        }),
      );
      if (!(Body instanceof Readable)) throw new Error(`${key} came without a body`);
      if (range && !ContentRange?.startsWith(`bytes ${range.start}-`)) {
        // Without the requested range, the bytes start elsewhere or are an error page.
        Body.destroy();
        throw new Error(
          `${key} was asked for from ${range.start} on, and came as ${ContentRange ?? 'a whole'}`,
        );
      }
      return withIdleTimeout(Body, timeouts.idleMs, range && range.end - range.start + 1);
    });
  }

  const storage: MediaStorage = {
    async write(key) {
      requireMediaKey(key);
      return explained(async () => {
        await makeFolder(dirname(partOf(key)));
        return openFileWrite({
          key,
          part: partOf(key),
          busy,
          space: options.space,
          async publish(file, part, under) {
            const stored = await uploading(() => explainedS3(() => upload(under, file)));
            await explained(() => rm(part, { force: true }));
            return stored;
          },
        });
      });
    },

    stat,

    async read(key, range) {
      requireMediaKey(key);
      // An empty object has only an empty range, and no `Range` header can express that.
      if (range && range.end < range.start) {
        if (await stat(key)) return Readable.from([]);
        throw new MissingObject(key);
      }
      try {
        return await get(key, range);
      } catch (error) {
        throw error instanceof Error && isNoSuchKey(error.cause) ? new MissingObject(key) : error;
      }
    },

    async remove(key) {
      requireMediaKey(key);
      await explained(() => removeStaged(partOf(key)));
      await explainedS3(() => requests.send(new DeleteObjectCommand(at(key))));
    },

    async withLocalFile(key, use) {
      const stream = await storage.read(key);
      const path = join(scratch, 'lent', randomUUID());
      try {
        await explained(() => makeFolder(dirname(path)));
        await options.space?.requireRoom((await stat(key))?.bytes ?? 0);
        await explained(() => pipeline(stream, createWriteStream(path, { flags: 'wx' })));
        return await use(path);
      } finally {
        stream.destroy();
        await rm(path, { force: true });
      }
    },

    list: (after) => listObjects(bucket, after),

    async removeLeftovers(before, isNeeded) {
      const files = await removeOldFiles(scratch, before, async (path) => {
        const part = stagedFileOf(path);
        if (part === undefined) return true;
        const key = relative(scratch, part).slice(0, -'.part'.length);
        return !busy.has(key) && !(await isNeeded?.(key));
      });
      return files + (await abortOldUploads(bucket, before));
    },

    claim: (installation) => claimBucket(bucket, installation),

    check: sharedCheck(
      () =>
        explainedS3(async () => {
          await options.space?.requireRoom(0);
          const probe = { Bucket: bucket.name, Key: objectKey('check'), Body: 'ok\n', ...bucket.encryption };
          await uploads.send(new PutObjectCommand(probe), {
            abortSignal: AbortSignal.timeout(timeouts.checkMs),
          });
        }),
      CHECK_FRESH_MS,
      monotonic,
    ),
  };
  return storage;
}

/**
 * Shares the result of a check among all calls within `freshMs` (milliseconds), so that frequent calls cost one request.
 * `now` is a monotonic clock in milliseconds.
 */
function sharedCheck(check: () => Promise<void>, freshMs: number, now: () => number): () => Promise<void> {
  let latest: { readonly result: Promise<void>; readonly until: number } | undefined;
  return () => {
    if (latest && now() < latest.until) return latest.result;
    const result = check();
    // Callers get the rejection. This handler only keeps it from counting as unhandled.
    result.catch(() => undefined);
    latest = { result, until: now() + freshMs };
    return result;
  };
}
