import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import type { DiskSpace } from '../diskSpace.ts';
import { explained, makeFolder } from '../files/disk.ts';
import { removeOldFiles } from '../files/list.ts';
import { openFileWrite, removeStaged, stagedFileOf } from '../files/write.ts';
import { MissingObject, requireMediaKey } from '../key.ts';
import type { MediaStorage } from '../media.ts';
import { claimBucket } from './claim.ts';
import { type BucketOptions, openBucket } from './client.ts';
import { explainedS3, isNoSuchKey } from './errors.ts';
import { abortOldUploads, listObjects } from './list.ts';
import { createObjects } from './objects.ts';
import { sharedCheck } from './sharedCheck.ts';

export interface S3Options extends BucketOptions {
  /** A folder that only this process uses. Bytes are staged and checked here before they are uploaded. */
  readonly scratch: string;
  readonly space?: DiskSpace | undefined;
  /** Milliseconds of a monotonic clock. */
  readonly monotonic?: () => number;
}

/** Concurrent uploads. Each holds three parts of 8 MiB in memory: two being sent, one being read. */
const UPLOADS = 4;

/**
 * Stores media as objects of a bucket: `<prefix>/video/<id>.mp4`. An error that the operator must fix becomes a 503 that
 * names the setting to check.
 */
export function createS3Storage(options: S3Options): MediaStorage {
  const bucket = openBucket(options);
  const { uploads, timeouts, objectKey } = bucket;
  const scratch = resolve(options.scratch);
  const busy = new Set<string>();
  const uploading = pLimit(UPLOADS);
  const monotonic = options.monotonic ?? (() => performance.now());
  const objects = createObjects(bucket, monotonic);

  const partOf = (key: string): string => join(scratch, `${key}.part`);

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
          async publish({ file, staged, key: under }) {
            const stored = await uploading(() => explainedS3(() => objects.upload(under, file)));
            await explained(() => rm(staged, { force: true }));
            return stored;
          },
        });
      });
    },

    stat: objects.stat,

    async read(key, range) {
      requireMediaKey(key);
      // An empty object has only an empty range, and no `Range` header can express that.
      if (range && range.end < range.start) {
        if (await objects.stat(key)) return Readable.from([]);
        throw new MissingObject(key);
      }
      try {
        return await objects.get(key, range);
      } catch (error) {
        throw error instanceof Error && isNoSuchKey(error.cause) ? new MissingObject(key) : error;
      }
    },

    async remove(key) {
      requireMediaKey(key);
      await explained(() => removeStaged(partOf(key)));
      await explainedS3(() => objects.remove(key));
    },

    async withLocalFile(key, use) {
      const stream = await storage.read(key);
      const path = join(scratch, 'lent', randomUUID());
      try {
        await explained(() => makeFolder(dirname(path)));
        await options.space?.requireRoom((await objects.stat(key))?.bytes ?? 0);
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
      monotonic,
    ),
  };
  return storage;
}
