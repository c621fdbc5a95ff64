import type { FileHandle } from 'node:fs/promises';
import { AbortMultipartUploadCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { contentTypeOf } from '../key.ts';
import type { Bucket } from './client.ts';

/** Bytes of a part. An object has at most 10,000 parts, so at most 80 GB. */
const PART_BYTES = 8 * 2 ** 20;
/** Concurrent parts of one upload. */
const PARTS = 2;

/**
 * Uploads a file as an object, in several parts if it is large. Each part is in memory, so that it can be sent again. The file may
 * be closed afterwards.
 */
export async function uploadFile(bucket: Bucket, key: string, file: FileHandle): Promise<void> {
  const { size } = await file.stat();
  const params = {
    Bucket: bucket.name,
    Key: bucket.objectKey(key),
    ContentType: contentTypeOf(key),
    ...bucket.encryption,
  };
  if (size <= PART_BYTES) {
    const body = Buffer.alloc(size);
    const { bytesRead } = await file.read(body, 0, size, 0);
    if (bytesRead !== size) throw new Error(`${key}: ${bytesRead} of ${size} bytes could be read`);
    await bucket.uploads.send(new PutObjectCommand({ ...params, Body: body }));
    return;
  }
  const stream = file.createReadStream({ start: 0, end: size - 1, highWaterMark: 2 ** 20 });
  const upload = new Upload({
    client: bucket.uploads,
    params: { ...params, Body: stream },
    partSize: PART_BYTES,
    queueSize: PARTS,
    // If the library aborted a failed upload itself, an error of the abort would replace the error of the upload.
    leavePartsOnError: true,
  });
  try {
    await upload.done();
  } catch (error) {
    await abort(bucket, params.Key, upload.uploadId);
    throw error;
  } finally {
    stream.destroy();
  }
}

/** Aborts the upload, so that the server frees its parts. If this fails, the sweep or a lifecycle rule removes them. */
async function abort(bucket: Bucket, Key: string, UploadId: string | undefined): Promise<void> {
  if (UploadId === undefined) return;
  const command = new AbortMultipartUploadCommand({ Bucket: bucket.name, Key, UploadId });
  await bucket.requests.send(command).catch(() => undefined);
}
