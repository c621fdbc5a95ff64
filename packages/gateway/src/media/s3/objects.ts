import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
} from '@aws-sdk/client-s3';
import { requireMediaKey } from '../key.ts';
import { type MediaStat, StoredWrong } from '../media.ts';
import type { Bucket } from './client.ts';
import { explainedS3, isNoSuchKey, noSuchBucket } from './errors.ts';
import { withIdleTimeout } from './idleTimeout.ts';
import { sharedCheck } from './sharedCheck.ts';
import { uploadFile } from './upload.ts';

/** Single objects of a bucket. */
export interface Objects {
  /** Undefined if there is no object. */
  stat(key: string): Promise<MediaStat | undefined>;
  /** Uploads a file and checks its length in the bucket. */
  upload(key: string, file: FileHandle): Promise<MediaStat>;
  /** Opens an object, or the bytes of `range`, both ends included. */
  get(key: string, range?: { start: number; end: number }): Promise<Readable>;
  remove(key: string): Promise<void>;
}

/** `monotonic`: milliseconds of a monotonic clock. */
export function createObjects(bucket: Bucket, monotonic: () => number): Objects {
  const { requests, timeouts, objectKey } = bucket;
  const at = (key: string) => ({ Bucket: bucket.name, Key: objectKey(key) });

  // Shared, because every ingest begins by asking for a video that does not exist yet.
  const bucketIsThere = sharedCheck(async () => {
    await requests.send(new HeadBucketCommand({ Bucket: bucket.name })).catch((cause: unknown) => {
      throw isNoSuchKey(cause) ? noSuchBucket(cause) : cause;
    });
  }, monotonic);

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
      await remove(key);
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
          `${key} was requested from byte ${range.start} on, and was sent as ${ContentRange ?? 'a whole'}`,
        );
      }
      return withIdleTimeout(Body, timeouts.idleMs, range && range.end - range.start + 1);
    });
  }

  async function remove(key: string): Promise<void> {
    await requests.send(new DeleteObjectCommand(at(key)));
  }

  return { stat, upload, get, remove };
}
