import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { createProxyFor, type ProxySettings, proxyEnvironment } from '../../net/proxies.ts';
import { contentTypeOf } from '../key.ts';
import type { Presign } from '../links/bucket.ts';
import { noteRequest } from './errors.ts';

/** The address of a bucket, and how to access it. */
export interface BucketOptions {
  readonly bucket: string;
  /** `https://host[:port]` of a server other than AWS. */
  readonly endpoint?: string | undefined;
  /** Default: the SDK's provider chain for AWS; otherwise `us-east-1`, which servers without regions expect. */
  readonly region?: string | undefined;
  /** The prefix of every key, without leading or trailing slashes; may be empty. */
  readonly prefix: string;
  /** `https://host/bucket/key` instead of `https://bucket.host/key`. */
  readonly pathStyle: boolean;
  /** Default: the SDK's provider chain (environment, shared files, roles of container or machine). */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  /** The encryption at rest that uploads request. */
  readonly encryption?: Encryption | undefined;
  /** Send a CRC32 with each upload. Servers that do not support it need `false`. */
  readonly checksums: boolean;
  readonly timeouts?: Partial<Timeouts>;
  readonly proxies?: ProxySettings | undefined;
}

export interface Encryption {
  readonly algorithm: 'AES256' | 'aws:kms';
  /** For `aws:kms`; default: the key of the bucket, or of the account. */
  readonly kmsKeyId?: string | undefined;
}

/** All in milliseconds. */
export interface Timeouts {
  readonly connectMs: number;
  /** From sending a request without a body to receiving the response headers. */
  readonly answerMs: number;
  /** The idle time of an upload, and of a read while its reader is waiting. */
  readonly idleMs: number;
  /** For a whole check. */
  readonly checkMs: number;
}

/** S3 responds within tens of milliseconds. If a server is this slow, a retry is better. */
const TIMEOUTS: Timeouts = { connectMs: 5000, answerMs: 15_000, idleMs: 30_000, checkMs: 5000 };

/** A read holds its connection until its client has received all bytes. */
const READERS = 1024;

/** The first attempt and its retries, with the SDK's jittered back-off between them. */
const MAX_ATTEMPTS = 3;

interface ObjectKeys {
  /** The object key in the bucket for a media key. */
  readonly objectKey: (key: string) => string;
  /** The media key of an object; undefined if the object is not below the prefix. */
  readonly ownKey: (objectKey: string) => string | undefined;
}

function objectKeys(prefix: string): ObjectKeys {
  const folder = prefix === '' ? '' : `${prefix}/`;
  return {
    objectKey: (key) => `${folder}${key}`,
    ownKey: (objectKey) => (objectKey.startsWith(folder) ? objectKey.slice(folder.length) : undefined),
  };
}

/** Two clients, because the timeout of an upload would end a read whose client has paused, and the other way round. */
export interface Bucket extends ObjectKeys {
  readonly name: string;
  readonly requests: S3Client;
  readonly uploads: S3Client;
  readonly timeouts: Timeouts;
  /** Parameters of every upload. */
  readonly encryption: { ServerSideEncryption?: 'AES256' | 'aws:kms'; SSEKMSKeyId?: string };
}

/** Whether the SDK's own chain (`AWS_REGION`, shared files) names a region. Asks nobody. */
export async function hasDefaultRegion(): Promise<boolean> {
  const client = new S3Client({});
  try {
    await client.config.region();
    return true;
  } catch {
    return false;
  } finally {
    client.destroy();
  }
}

export function openBucket(options: BucketOptions): Bucket {
  const timeouts = { ...TIMEOUTS, ...options.timeouts };
  const { algorithm, kmsKeyId } = options.encryption ?? {};
  const proxied = proxiedAgents(options);
  return {
    name: options.bucket,
    timeouts,
    requests: createClient(options, {
      connectionTimeout: timeouts.connectMs,
      requestTimeout: timeouts.answerMs,
      throwOnRequestTimeout: true,
      // Zero means no timeout. The SDK's default would end reads whose client has paused.
      socketTimeout: 0,
      httpAgent: { maxSockets: READERS, ...proxied },
      httpsAgent: { maxSockets: READERS, ...proxied },
    }),
    uploads: createClient(options, {
      connectionTimeout: timeouts.connectMs,
      socketTimeout: timeouts.idleMs,
      httpAgent: proxied,
      httpsAgent: proxied,
    }),
    ...objectKeys(options.prefix),
    encryption: {
      ...(algorithm ? { ServerSideEncryption: algorithm } : {}),
      ...(kmsKeyId ? { SSEKMSKeyId: kmsKeyId } : {}),
    },
  };
}

/** The agent options of a client that reaches the bucket through a proxy. */
function proxiedAgents(options: BucketOptions): object {
  const { proxies } = options;
  if (!proxies || createProxyFor(proxies)(bucketUrl(options)) === undefined) return {};
  return { proxyEnv: proxyEnvironment(proxies) };
}

/** The URL that requests to the bucket are sent to; with path style, without the bucket. */
export function bucketUrl({ bucket, endpoint, region, pathStyle }: BucketOptions): URL {
  const url = new URL(endpoint ?? `https://s3.${region ?? 'us-east-1'}.amazonaws.com`);
  // An address cannot be below a bucket, so this leaves it unchanged, as the SDK does.
  if (!pathStyle) url.hostname = `${bucket}.${url.hostname}`;
  return url;
}

/** Creates a client of a bucket. `requestHandler` has the options of the SDK's HTTP handler. */
function createClient(
  { endpoint, region, pathStyle, credentials, checksums, encryption }: BucketOptions,
  requestHandler: object = {},
): S3Client {
  const where = region ?? (endpoint === undefined ? undefined : 'us-east-1');
  const client = new S3Client({
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(where === undefined ? {} : { region: where }),
    ...(credentials ? { credentials } : {}),
    forcePathStyle: pathStyle,
    requestChecksumCalculation: checksums ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED',
    // The SDK would wrap the response body to verify it, and aborting a read would then not end the request.
    responseChecksumValidation: 'WHEN_REQUIRED',
    retryMode: 'standard',
    maxAttempts: MAX_ATTEMPTS,
    requestHandler,
  });
  const sent = {
    endpoint: endpoint !== undefined,
    pathStyle,
    checksums,
    encrypted: encryption !== undefined,
  };
  // An SDK error does not name its request, but the advice to the operator depends on it.
  client.middlewareStack.add(
    (next, context) => async (args) => {
      try {
        return await next(args);
      } catch (error) {
        noteRequest(error, { ...sent, operation: (context.commandName ?? '').replace('Command', '') });
        throw error;
      }
    },
    { step: 'initialize', name: 'noteRequest' },
  );
  return client;
}

/** Signs links to objects of a bucket. Clients use `publicEndpoint` if the gateway's own endpoint is not reachable for them. */
export function createPresigner(options: BucketOptions & { publicEndpoint?: string | undefined }): Presign {
  // Checksums are off, because the SDK would put the checksum of an empty body into the link.
  const client = createClient({
    ...options,
    endpoint: options.publicEndpoint ?? options.endpoint,
    checksums: false,
  });
  const { objectKey } = objectKeys(options.prefix);
  return (key, { from, until }) => {
    const name = key.slice(key.indexOf('/') + 1);
    const command = new GetObjectCommand({
      Bucket: options.bucket,
      Key: objectKey(key),
      ResponseContentType: contentTypeOf(key),
      ResponseContentDisposition: `inline; filename="${name}"`,
    });
    return getSignedUrl(client, command, {
      signingDate: new Date(from),
      expiresIn: Math.floor((until - from) / 1000),
    });
  };
}
