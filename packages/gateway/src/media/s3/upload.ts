import type { FileHandle } from 'node:fs/promises';
import { AbortMultipartUploadCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { contentTypeOf } from '../key.ts';
import type { Bucket } from './client.ts';

/** Bytes of a part: at most 10,000 of them make an object, 80 GB then. */
const PART_BYTES = 8 * 2 ** 20;
/** Parts of one upload under way at a time. */
const PARTS = 2;

/** Sends a file as an object; several parts where it is large. A part is in memory, so that it can be sent again. */
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
  const stream = file.createReadStream({ start: 0, end: size - 1, autoClose: false, highWaterMark: 2 ** 20 });
  const upload = new Upload({
    client: bucket.uploads,
    params: { ...params, Body: stream },
    partSize: PART_BYTES,
    queueSize: PARTS,
    // Its own ending of a failed upload would put its error in the place of the one that matters.
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

/** Gives the parts back, where the server can; what stays is the sweep's, or a lifecycle rule's. */
async function abort(bucket: Bucket, Key: string, UploadId: string | undefined): Promise<void> {
  if (UploadId === undefined) return;
  const command = new AbortMultipartUploadCommand({ Bucket: bucket.name, Key, UploadId });
  await bucket.requests.send(command).catch(() => undefined);
}
