import { join, resolve } from 'node:path';
import type { ProxySettings } from '../net/proxies.ts';
import type { Log } from '../observability/log.ts';
import { OnetakeError } from '../tasks/errors.ts';
import type { Clock } from '../time/clock.ts';
import type { DiskSpace } from './diskSpace.ts';
import { removeOldFiles } from './files/list.ts';
import { createFileStorage } from './files/storage.ts';
import { stagedFileOf } from './files/write.ts';
import { createBucketLinks, type KeyOf } from './links/bucket.ts';
import type { GatewayLinks, MediaLinks } from './links/links.ts';
import type { MediaStorage } from './media.ts';
import type { BucketOptions } from './s3/client.ts';
import { withClaim } from './withClaim.ts';

/** The settings that say where media is stored. */
export interface MediaSettings {
  readonly dataDir: string;
  readonly mediaLinks: 'gateway' | 'bucket';
  readonly linkTtlHours: number;
  readonly s3Bucket?: string;
  readonly s3Endpoint?: string;
  readonly s3PublicEndpoint?: string;
  readonly s3Region?: string;
  readonly s3Prefix: string;
  readonly s3PathStyle: boolean;
  readonly s3AccessKeyId?: string;
  readonly s3SecretAccessKey?: string;
  readonly s3Sse?: 'AES256' | 'aws:kms';
  readonly s3SseKmsKeyId?: string;
  readonly s3Checksums: boolean;
}

export interface OpenMediaParts {
  /** The id of this installation: the same for all nodes of one database. */
  readonly installation: () => Promise<string>;
  readonly clock: Clock;
  readonly proxies?: ProxySettings | undefined;
  readonly space?: DiskSpace | undefined;
  readonly log: Pick<Log, 'warn'>;
}

export interface OpenedMedia {
  readonly storage: MediaStorage;
  /** Creates the links for API responses. */
  readonly linksBeside: (gateway: GatewayLinks, keyOf: KeyOf) => MediaLinks;
}

const HOUR_MS = 3_600_000;
/** Temporary copies of objects older than this were left by a crash. Milliseconds. */
const TEMP_COPY_MS = 24 * HOUR_MS;

/** The folder of stored files, if they are not in a bucket. */
export const mediaRootOf = ({ dataDir }: Pick<MediaSettings, 'dataDir'>): string => resolve(dataDir, 'media');

/** Opens the storage that the settings name: a bucket, or files below the data folder. Throws if they cannot be used. */
export async function openMedia(settings: MediaSettings, parts: OpenMediaParts): Promise<OpenedMedia> {
  const bucket = bucketOf(settings);
  if (!bucket) {
    const storage = createFileStorage({ root: mediaRootOf(settings), space: parts.space });
    return { storage, linksBeside: (gateway) => gateway };
  }
  // Imported only if there is a bucket, because the SDK takes a while to load.
  const { createS3Storage } = await import('./s3/storage.ts');
  const { clock, log } = parts;
  const scratch = join(settings.dataDir, 'scratch');
  // Removes the temporary copies that a crash left. Staged bytes of a task stay: the engine decides when they go.
  await removeOldFiles(scratch, clock.now() - TEMP_COPY_MS, (path) => stagedFileOf(path) === undefined);
  const storage = withClaim(
    createS3Storage({ ...bucket, proxies: parts.proxies, space: parts.space, scratch }),
    await parts.installation(),
  );
  try {
    await storage.claim(await parts.installation());
  } catch (error) {
    // Queries need no storage, so a node starts without it. /readyz reports what is missing.
    if (!(error instanceof OnetakeError) || error.code !== 'storage_unavailable') throw error;
    log.warn(
      { event: 'media.unavailable', err: error },
      'the media storage cannot be used yet; starting without it',
    );
  }
  if (settings.mediaLinks === 'gateway') return { storage, linksBeside: (gateway) => gateway };

  const { createPresigner } = await import('./s3/client.ts');
  const presign = createPresigner({ ...bucket, publicEndpoint: settings.s3PublicEndpoint });
  return {
    storage,
    linksBeside: (gateway, keyOf) =>
      createBucketLinks({
        presign,
        keyOf,
        gateway,
        ttlMs: settings.linkTtlHours * HOUR_MS,
        clock,
        onFailure: (err) =>
          log.warn(
            { event: 'media.sign_failed', err },
            'cannot sign a link to the bucket; the link leads to the gateway instead',
          ),
      }),
  };
}

/** Undefined if media is stored in files. */
export function bucketOf(settings: MediaSettings): BucketOptions | undefined {
  const { s3Bucket, s3AccessKeyId, s3SecretAccessKey, s3Sse } = settings;
  if (s3Bucket === undefined) return undefined;
  return {
    bucket: s3Bucket,
    endpoint: settings.s3Endpoint,
    region: settings.s3Region,
    prefix: settings.s3Prefix,
    pathStyle: settings.s3PathStyle,
    checksums: settings.s3Checksums,
    ...(s3AccessKeyId !== undefined && s3SecretAccessKey !== undefined
      ? { credentials: { accessKeyId: s3AccessKeyId, secretAccessKey: s3SecretAccessKey } }
      : {}),
    ...(s3Sse ? { encryption: { algorithm: s3Sse, kmsKeyId: settings.s3SseKmsKeyId } } : {}),
  };
}
