import {
  AbortMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3';
import { isMediaKey } from '../key.ts';
import type { MediaObject } from '../media.ts';
import type { Bucket } from './client.ts';
import { explainedS3, isCode, isNotImplemented } from './errors.ts';

/** Lists the media objects in the bucket, page by page, in byte order of their keys (the order of S3). */
export async function* listObjects(bucket: Bucket, after?: string): AsyncGenerator<MediaObject> {
  let token: string | undefined;
  do {
    const page = await explainedS3(() =>
      bucket.requests.send(
        new ListObjectsV2Command({
          Bucket: bucket.name,
          Prefix: bucket.objectKey(''),
          ContinuationToken: token,
          StartAfter: after === undefined ? undefined : bucket.objectKey(after),
        }),
      ),
    );
    for (const { Key, Size, LastModified } of page.Contents ?? []) {
      const key = Key === undefined ? undefined : bucket.ownKey(Key);
      // Other objects below the same prefix are not media.
      if (key === undefined || !isMediaKey(key) || !LastModified) continue;
      yield { key, bytes: Size ?? 0, modifiedAt: LastModified.getTime() };
    }
    token = page.IsTruncated ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
}

/**
 * Aborts the gateway's multipart uploads that were started before `before` (milliseconds UTC): their parts cost money and
 * are not visible. Resolves with their number; 0 if the server cannot list uploads.
 */
export async function abortOldUploads(bucket: Bucket, before: number): Promise<number> {
  let aborted = 0;
  let from: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
  while (from) {
    const page = await uploadsFrom(bucket, from);
    if (!page) return aborted;
    for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
      const key = Key === undefined ? undefined : bucket.ownKey(Key);
      if (key === undefined || !isMediaKey(key) || !Initiated || Initiated.getTime() >= before) continue;
      await explainedS3(() => abort(bucket, Key, UploadId));
      aborted += 1;
    }
    const { NextKeyMarker, NextUploadIdMarker } = page;
    from =
      page.IsTruncated && NextKeyMarker
        ? { KeyMarker: NextKeyMarker, ...(NextUploadIdMarker ? { UploadIdMarker: NextUploadIdMarker } : {}) }
        : undefined;
  }
  return aborted;
}

async function uploadsFrom(bucket: Bucket, from: { KeyMarker?: string; UploadIdMarker?: string }) {
  try {
    return await bucket.requests.send(
      new ListMultipartUploadsCommand({ Bucket: bucket.name, Prefix: bucket.objectKey(''), ...from }),
    );
  } catch (error) {
    if (isNotImplemented(error)) return undefined;
    return explainedS3(() => Promise.reject(error));
  }
}

async function abort(bucket: Bucket, Key: string | undefined, UploadId: string | undefined): Promise<void> {
  try {
    await bucket.requests.send(new AbortMultipartUploadCommand({ Bucket: bucket.name, Key, UploadId }));
  } catch (error) {
    // It was completed or aborted in the meantime.
    if (!isCode(error, 'NoSuchUpload')) throw error;
  }
}
