import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { startS3 } from '../../../../../scripts/servers/s3.ts';
import type { S3Options } from '../../../src/media/s3/storage.ts';
import { tempFolder } from '../tempFolder.ts';

const env = process.env;

/** The server in the environment, to test another implementation; undefined if there is none. */
export const NAMED_SERVER = env.ONETAKE_TEST_S3_ENDPOINT
  ? {
      endpoint: env.ONETAKE_TEST_S3_ENDPOINT,
      bucket: env.ONETAKE_TEST_S3_BUCKET ?? 'onetake',
      accessKeyId: env.ONETAKE_TEST_S3_ACCESS_KEY_ID ?? '',
      secretAccessKey: env.ONETAKE_TEST_S3_SECRET_ACCESS_KEY ?? '',
      region: env.ONETAKE_TEST_S3_REGION ?? 'us-east-1',
    }
  : undefined;

let shared: ReturnType<typeof startS3> | undefined;

/** Closes the server that the tests of this file shared. */
export async function closeBuckets(): Promise<void> {
  await (await shared)?.close();
  shared = undefined;
}

/** An empty place in the bucket of a real server, and an empty scratch folder: the test's own. */
export async function freshBucket(changes: Partial<S3Options> = {}): Promise<S3Options> {
  shared ??= NAMED_SERVER ? undefined : startS3();
  const server = NAMED_SERVER ?? (await shared);
  if (!server) throw new Error('there is no S3 server');
  return bucketOf(server, { scratch: join(await tempFolder(), 'scratch'), ...changes });
}

/** A server of the test's own, which it may close; gone when the test ends. */
export async function ownS3(port = 0) {
  const server = await startS3({ port });
  let ended: Promise<void> | undefined;
  const close = () => (ended ??= server.close());
  onTestFinished(close);
  return { ...server, close };
}

/** Options for a place of its own on a server. */
export function bucketOf(
  server: NonNullable<typeof NAMED_SERVER>,
  changes: Partial<S3Options> & Pick<S3Options, 'scratch'>,
): S3Options {
  const { bucket, endpoint, region, accessKeyId, secretAccessKey } = server;
  return {
    bucket,
    endpoint,
    region,
    prefix: `test-${randomUUID()}`,
    pathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    checksums: true,
    ...changes,
  };
}

/** The gateway's settings for a place in a bucket. */
export const bucketSettings = ({
  bucket,
  endpoint = '',
  prefix = 'onetake',
  credentials,
}: Pick<S3Options, 'bucket' | 'credentials'> & Partial<S3Options>) => ({
  ONETAKE_S3_BUCKET: bucket,
  ONETAKE_S3_ENDPOINT: endpoint,
  ONETAKE_S3_PREFIX: prefix,
  ONETAKE_S3_PATH_STYLE: 'true',
  ONETAKE_S3_ACCESS_KEY_ID: credentials?.accessKeyId ?? '',
  ONETAKE_S3_SECRET_ACCESS_KEY: credentials?.secretAccessKey ?? '',
});
