import { S3Client } from '@aws-sdk/client-s3';
import { createProxyFor, type ProxySettings, proxyEnvironment } from '../../net/proxies.ts';
import { noteRequest } from './errors.ts';

/** Where a bucket is, and how it is spoken to. */
export interface BucketOptions {
  readonly bucket: string;
  /** `https://host[:port]` of a server that is not AWS's own. */
  readonly endpoint?: string | undefined;
  /** Default: the SDK's own chain for AWS; `us-east-1` elsewhere, which servers without regions expect. */
  readonly region?: string | undefined;
  /** Before each key, without slashes at its ends; may be empty. */
  readonly prefix: string;
  /** `https://host/bucket/key` instead of `https://bucket.host/key`. */
  readonly pathStyle: boolean;
  /** Default: the SDK's own chain (environment, shared files, roles of container or machine). */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  /** Encryption at rest that uploads ask for. */
  readonly encryption?: Encryption | undefined;
  /** CRC32 with each upload; servers that do not know it need `false`. */
  readonly checksums: boolean;
  readonly timeouts?: Partial<Timeouts>;
  readonly proxies?: ProxySettings | undefined;
}

export interface Encryption {
  readonly algorithm: 'AES256' | 'aws:kms';
  /** Of `aws:kms`; default: the bucket's, or the account's own. */
  readonly kmsKeyId?: string | undefined;
}

/** All in milliseconds. */
export interface Timeouts {
  readonly connectMs: number;
  /** From a request without a body to the head of its answer. */
  readonly answerMs: number;
  /** Without a byte moving: of an upload, and of a read that somebody waits for. */
  readonly idleMs: number;
  /** The whole of a check. */
  readonly checkMs: number;
}

/** S3 answers within tens of milliseconds; a server this slow is in trouble, and another try is better. */
const TIMEOUTS: Timeouts = { connectMs: 5000, answerMs: 15_000, idleMs: 30_000, checkMs: 5000 };

/** Reads hold a connection for as long as their client takes the bytes. */
const READERS = 1024;

/** First try and repetitions, with the SDK's jittered back-off between them. */
const MAX_ATTEMPTS = 3;

interface ObjectKeys {
  /** A key of ours as the bucket has it. */
  readonly objectKey: (key: string) => string;
  /** Undefined where the object is not below our prefix. */
  readonly ownKey: (objectKey: string) => string | undefined;
}

export function objectKeys(prefix: string): ObjectKeys {
  const folder = prefix === '' ? '' : `${prefix}/`;
  return {
    objectKey: (key) => `${folder}${key}`,
    ownKey: (objectKey) => (objectKey.startsWith(folder) ? objectKey.slice(folder.length) : undefined),
  };
}

/** Two clients: what bounds an upload would cut a read whose client has paused, and the other way round. */
export interface Bucket extends ObjectKeys {
  readonly name: string;
  readonly requests: S3Client;
  readonly uploads: S3Client;
  readonly timeouts: Timeouts;
  /** Of every upload. */
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
      // Zero: none. The SDK's own default would cut reads whose client has paused.
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

/** What the agents of a client are made with where a proxy leads to the bucket. */
function proxiedAgents({ bucket, endpoint, region, pathStyle, proxies }: BucketOptions): object {
  if (!proxies) return {};
  const host = new URL(endpoint ?? `https://s3.${region ?? 'us-east-1'}.amazonaws.com`);
  if (!pathStyle && endpoint === undefined) host.hostname = `${bucket}.${host.hostname}`;
  return createProxyFor(proxies)(host) === undefined ? {} : { proxyEnv: proxyEnvironment(proxies) };
}

/** A client of a bucket; `requestHandler` has the options of the SDK's HTTP handler. */
export function createClient(
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
    // Their check wraps the body in a stream, and a read that is given up would not end the request behind it.
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
  // An error does not say which request it is of, and what mends it depends on that.
  client.middlewareStack.add(
    (next, context) => async (args) => {
      try {
        return await next(args);
      } catch (error) {
        noteRequest(error, { ...sent, operation: (context.commandName ?? '').replace(/Command$/, '') });
        throw error;
      }
    },
    { step: 'initialize', priority: 'high', name: 'noteRequest' },
  );
  return client;
}
