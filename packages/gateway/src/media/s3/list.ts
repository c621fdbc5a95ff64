import {
  AbortMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3';
import { isMediaKey } from '../key.ts';
import type { MediaObject } from '../media.ts';
import type { Bucket } from './client.ts';
import { explainedS3, isCode, isNotImplemented } from './errors.ts';

/** Every object of ours in the bucket, in the order of its key (S3 lists by the bytes of keys), a page at a time. */
export async function* listObjects(bucket: Bucket, after?: string): AsyncGenerator<MediaObject> {
  let token: string | undefined;
  do {
    const page = await explainedS3(() =>
      bucket.requests.send(
        new ListObjectsV2Command({
          Bucket: bucket.name,
          Prefix: bucket.objectKey(''),
          ...(token === undefined ? {} : { ContinuationToken: token }),
          ...(after === undefined ? {} : { StartAfter: bucket.objectKey(after) }),
        }),
      ),
    );
    for (const { Key, Size, LastModified } of page.Contents ?? []) {
      const key = Key === undefined ? undefined : bucket.ownKey(Key);
      // What others keep below the same prefix is none of ours.
      if (key === undefined || !isMediaKey(key) || !LastModified) continue;
      yield { key, bytes: Size ?? 0, modifiedAt: LastModified.getTime() };
    }
    token = page.IsTruncated ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
}

/**
 * Ends multipart uploads of ours that were begun before `before` (milliseconds UTC): their parts are paid for and never
 * seen. Resolves with how many; none where the server cannot tell.
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
    // Ended by somebody else in between.
    if (!isCode(error, 'NoSuchUpload')) throw error;
  }
}
