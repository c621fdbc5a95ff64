import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { z } from 'zod';
import { OnetakeError } from '../../tasks/errors.ts';
import { valueOfJson } from '../../tasks/text.ts';
import type { Bucket } from './client.ts';
import { explainedS3, isCode, isNoSuchKey, isNotImplemented, statusOf, webPage } from './errors.ts';

/** The object that names the installation that owns a prefix of the bucket. */
const CLAIM = 'installation.json';

const Claim = z.object({ installation: z.string() });

/** Claims the prefix for this installation if it has no owner yet. Throws if another installation owns it. */
export async function claimBucket(bucket: Bucket, installation: string): Promise<void> {
  const key = bucket.objectKey(CLAIM);
  let owner = await explainedS3(() => ownerOf(bucket, key));
  if (owner === undefined) {
    await explainedS3(() => write(bucket, key, installation));
    // Read it back: without conditional writes, if two installations write at once, the last write wins.
    owner = await explainedS3(() => ownerOf(bucket, key));
  }
  if (owner === installation) return;
  throw new OnetakeError(
    'storage_claimed',
    503,
    `The bucket ${bucket.name} holds the videos of another Onetake installation (see ${key} in it). Set ONETAKE_S3_BUCKET or ` +
      'ONETAKE_S3_PREFIX to a place of its own for this one. Should the videos be this installation’s after all, whose database was ' +
      `lost, delete ${key}; those that its database does not know are then removed after a day.`,
  );
}

async function ownerOf(bucket: Bucket, Key: string): Promise<string | undefined> {
  let text: string;
  try {
    const { Body, ContentType } = await bucket.requests.send(
      new GetObjectCommand({ Bucket: bucket.name, Key }),
    );
    if (ContentType?.startsWith('text/html')) throw webPage();
    text = (await Body?.transformToString()) ?? '';
  } catch (error) {
    if (isNoSuchKey(error)) return undefined;
    throw error;
  }
  const claim = Claim.safeParse(valueOfJson(text));
  // An owner that cannot be read is unknown, so it must not be overwritten.
  return claim.success ? claim.data.installation : '';
}

async function write(bucket: Bucket, Key: string, installation: string): Promise<void> {
  const put = {
    Bucket: bucket.name,
    Key,
    Body: `${JSON.stringify({ installation })}\n`,
    ContentType: 'application/json',
    ...bucket.encryption,
  };
  try {
    await bucket.uploads.send(new PutObjectCommand({ ...put, IfNoneMatch: '*' }));
  } catch (error) {
    // 412 and 409: another writer was first. The caller reads the owner next.
    if (statusOf(error) === 412 || statusOf(error) === 409) return;
    // B2 and OSS do not support conditional writes. Any other refusal comes back on the write without the condition.
    if (!isNotImplemented(error) && !isCode(error, 'InvalidArgument', 'InvalidRequest')) throw error;
    await bucket.uploads.send(new PutObjectCommand(put));
  }
}
