import { isIP } from 'node:net';
import { z } from 'zod';
import { CHOSEN_KEY_RULE, isChosenKey } from '../auth/keys.ts';
import { isProxyRule } from '../net/proxies.ts';
import { LOG_LEVELS } from '../observability/log.ts';
import { checkDatabaseUrl } from '../store/postgres/url.ts';

/** One setting: where it comes from, what it may be, and what it does. */
export interface Setting {
  /** The environment variable; in `onetake.yaml` the same without `ONETAKE_`, in lower case. */
  readonly env: string;
  readonly schema: z.ZodType;
  /** As text, the way it would be written. Absent: no default. */
  readonly default?: string;
  readonly description: string;
  /** Words separated by commas; a list in the file. */
  readonly list?: true;
  /** Never printed. */
  readonly secret?: true;
  /** Variables that platforms and other programs know it by, for where neither environment nor file has ours; the first that is set. */
  readonly plainEnv?: readonly string[];
}

const setting = <const T extends Setting>(definition: T): T => definition;

const whole = (min: number, max: number) =>
  z.string().regex(/^\d+$/, 'must be a whole number').transform(Number).pipe(z.number().min(min).max(max));

/** An address, or a name that an address is looked up by. */
const listenHost = z
  .string()
  .refine(
    (host) => isIP(host) > 0 || /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/i.test(host),
    'must be an address or a host name alone, such as 127.0.0.1, :: or localhost; the port is ONETAKE_PORT',
  );

const onOff = z.enum(['true', 'false']).transform((value) => value === 'true');

const httpUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .transform((url) => url.replace(/\/+$/, ''));

/** Paths are put behind it. */
const linkBase = httpUrl.refine((url) => {
  if (!URL.canParse(url)) return true;
  const { username, password, search, hash } = new URL(url);
  return username + password + search + hash === '';
}, 'must be a URL without a user, a query or a fragment');

const postgresUrl = z.string().superRefine((text, context) => {
  try {
    checkDatabaseUrl(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
  }
});

const words = z.string().transform((list) =>
  list
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean),
);

/** `host:port` is understood as other programs do. */
const proxyUrl = z
  .string()
  .transform((text) => (/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`))
  .pipe(
    z.url({
      protocol: /^https?$/,
      error:
        'must be the URL of an HTTP proxy, such as http://user:password@proxy.internal:3128; SOCKS is not spoken',
    }),
  );

const noProxyRules = z
  .string()
  .transform((list) => list.split(/[\s,]+/).filter(Boolean))
  .refine((entries) => entries.every(isProxyRule), 'must be hosts, addresses or ranges, separated by commas');

/** Every setting of the gateway; the table in docs/settings.md is made from this. */
export const SETTINGS = {
  host: setting({
    env: 'ONETAKE_HOST',
    schema: listenHost,
    default: '127.0.0.1',
    description: 'Address to listen on. `0.0.0.0` serves other machines too.',
  }),
  port: setting({
    env: 'ONETAKE_PORT',
    schema: whole(0, 65_535),
    default: '8787',
    description: 'Port to listen on; `0` takes a free one.',
  }),
  publicUrl: setting({
    env: 'ONETAKE_PUBLIC_URL',
    schema: linkBase,
    description:
      'Where clients reach the gateway: the base of links in answers. Default: the address it listens on.',
  }),
  mediaUrl: setting({
    env: 'ONETAKE_MEDIA_URL',
    schema: linkBase,
    description:
      'Base of signed media links, where they have a domain of their own. Default: the public URL.',
  }),
  dataDir: setting({
    env: 'ONETAKE_DATA_DIR',
    schema: z.string().min(1),
    default: './data',
    description: 'Folder of the embedded store and the media files. One gateway per folder.',
  }),
  databaseUrl: setting({
    env: 'ONETAKE_DATABASE_URL',
    plainEnv: ['DATABASE_URL'],
    schema: postgresUrl,
    description:
      'PostgreSQL (14 or newer) that several gateways share: `postgres://user:password@host:5432/onetake`. `DATABASE_URL` is read where this is not set. Default: the embedded store in the data folder.',
    secret: true,
  }),
  databaseSessionUrl: setting({
    env: 'ONETAKE_DATABASE_SESSION_URL',
    schema: postgresUrl,
    description:
      'The same database without the pooler, where `ONETAKE_DATABASE_URL` leads through one in transaction mode: each gateway keeps one connection to it. Default: the database URL.',
    secret: true,
  }),
  databasePool: setting({
    env: 'ONETAKE_DATABASE_POOL',
    schema: whole(1, 1000),
    default: '10',
    description:
      'Connections to PostgreSQL at a time, beside the one above. All gateways together must stay below what it allows.',
  }),
  s3Bucket: setting({
    env: 'ONETAKE_S3_BUCKET',
    schema: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$/, 'must be the name of a bucket'),
    description:
      'Keeps videos, posters and inputs in this bucket instead of files; see [storage.md](storage.md). The bucket must exist.',
  }),
  s3Endpoint: setting({
    env: 'ONETAKE_S3_ENDPOINT',
    schema: httpUrl,
    description:
      "Of an S3 server that is not AWS's: `https://<account>.r2.cloudflarestorage.com`, `http://minio:9000`.",
  }),
  s3Region: setting({
    env: 'ONETAKE_S3_REGION',
    schema: z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'must be the name of a region'),
    description:
      "Region of the bucket. Default: `us-east-1` with an endpoint, else the AWS SDK's own (`AWS_REGION`, shared files).",
  }),
  s3Prefix: setting({
    env: 'ONETAKE_S3_PREFIX',
    schema: z
      .string()
      .max(200)
      .transform((path) => path.replace(/^\/+|\/+$/g, ''))
      .pipe(
        z.string().regex(/^(?:[A-Za-z0-9_.-]+(?:\/[A-Za-z0-9_.-]+)*)?$/, 'must be a path of plain names'),
      ),
    default: 'onetake',
    description:
      'Path in the bucket below which everything is kept; `/` for none. One installation per path.',
  }),
  s3PathStyle: setting({
    env: 'ONETAKE_S3_PATH_STYLE',
    schema: onOff,
    default: 'false',
    description:
      '`true`: the bucket is named in the path (`https://host/bucket/…`), as most self-hosted servers want it; `false`: in the host.',
  }),
  s3AccessKeyId: setting({
    env: 'ONETAKE_S3_ACCESS_KEY_ID',
    schema: z.string().min(1),
    description:
      "Access key of the bucket. Default: the AWS SDK's own chain (environment, shared files, role of the container or machine).",
    secret: true,
  }),
  s3SecretAccessKey: setting({
    env: 'ONETAKE_S3_SECRET_ACCESS_KEY',
    schema: z.string().min(1),
    description: 'Secret of the access key.',
    secret: true,
  }),
  s3Sse: setting({
    env: 'ONETAKE_S3_SSE',
    schema: z.enum(['AES256', 'aws:kms']),
    description: "Encryption at rest that uploads ask for: `AES256` or `aws:kms`. Default: the bucket's own.",
  }),
  s3SseKmsKeyId: setting({
    env: 'ONETAKE_S3_SSE_KMS_KEY_ID',
    schema: z.string().min(1),
    description: "Key of `aws:kms`. Default: the bucket's.",
  }),
  s3Checksums: setting({
    env: 'ONETAKE_S3_CHECKSUMS',
    schema: onOff,
    default: 'true',
    description: 'Sends a CRC32 with every upload. `false` for servers that do not know it.',
  }),
  s3PublicEndpoint: setting({
    env: 'ONETAKE_S3_PUBLIC_ENDPOINT',
    schema: httpUrl,
    description: 'Where clients reach the S3 server, for links to the bucket. Default: the endpoint.',
  }),
  mediaLinks: setting({
    env: 'ONETAKE_MEDIA_LINKS',
    schema: z.enum(['gateway', 'bucket']),
    default: 'gateway',
    description:
      'Where `url` and `thumbnail_url` lead: to the gateway, or as presigned links to the bucket, so that no video passes the gateway.',
  }),
  bootstrapKey: setting({
    env: 'ONETAKE_BOOTSTRAP_KEY',
    schema: z.string().refine(isChosenKey, CHOSEN_KEY_RULE),
    description:
      'An API key (`sk-…`, 20 characters or more) that exists with admin scope from the first start. While it is set, each start makes it work again, also where it was revoked.',
    secret: true,
  }),
  logLevel: setting({
    env: 'ONETAKE_LOG_LEVEL',
    schema: z.enum(LOG_LEVELS),
    default: 'info',
    description: `One of ${LOG_LEVELS.join(', ')}. Queries that succeed are logged at \`debug\`.`,
  }),
  logFormat: setting({
    env: 'ONETAKE_LOG_FORMAT',
    schema: z.enum(['auto', 'json', 'pretty']),
    default: 'auto',
    description:
      '`json`: an object a line; `pretty`: for people; `auto`: `pretty` on a terminal, `json` everywhere else.',
  }),
  bodyLimitMb: setting({
    env: 'ONETAKE_BODY_LIMIT_MB',
    schema: whole(1, 1024),
    default: '64',
    description: 'Largest request body, MiB. Images in a body are a third larger as base64.',
  }),
  linkTtlHours: setting({
    env: 'ONETAKE_LINK_TTL_HOURS',
    schema: whole(1, 8760),
    default: '24',
    description:
      'A signed link is valid for this many hours at least, twice that at most, and never longer than its video is kept.',
  }),
  retentionHours: setting({
    env: 'ONETAKE_RETENTION_HOURS',
    schema: whole(1, 87_600),
    default: '168',
    description: 'Hours a finished video is kept; afterwards its downloads answer 410.',
  }),
  maxVideoMb: setting({
    env: 'ONETAKE_MAX_VIDEO_MB',
    schema: whole(1, 1_048_576),
    description:
      'Largest video that is fetched from an upstream, MiB; a larger one fails its task. Default: by what was asked for, 256 MiB and 100 Mbit/s at 1080p.',
  }),
  diskReserveMb: setting({
    env: 'ONETAKE_DISK_RESERVE_MB',
    schema: whole(0, 1_048_576),
    default: '256',
    description:
      'Free space on the disk of the data folder that media leaves to the database, MiB. Below it videos wait upstream, and `/readyz` says so.',
  }),
  scrubSeconds: setting({
    env: 'ONETAKE_SCRUB_SECONDS',
    schema: whole(0, 86_400),
    default: '60',
    description:
      'Seconds between two stored files that are read in the background and compared with their SHA-256: the one that was not for the longest, none twice a day; `0` for none. See [storage.md](storage.md).',
  }),
  taskDeadlineMinutes: setting({
    env: 'ONETAKE_TASK_DEADLINE_MINUTES',
    schema: whole(1, 10_080),
    default: '360',
    description: 'Minutes from acceptance after which an unfinished task fails as expired.',
  }),
  maxAttempts: setting({
    env: 'ONETAKE_MAX_ATTEMPTS',
    schema: whole(1, 100),
    default: '10',
    description: 'Tries at an upstream that refuses for the moment, before the task fails with that reason.',
  }),
  resubmitUnknown: setting({
    env: 'ONETAKE_RESUBMIT_UNKNOWN',
    schema: onOff,
    default: 'false',
    description:
      'Submit again where the outcome of a submission cannot be established. `true` may make, and bill, a video twice; `false` fails the task instead.',
  }),
  callTimeoutSeconds: setting({
    env: 'ONETAKE_CALL_TIMEOUT_SECONDS',
    schema: whole(1, 600),
    default: '60',
    description: 'Seconds that one call upstream may take.',
  }),
  drainTimeoutSeconds: setting({
    env: 'ONETAKE_DRAIN_TIMEOUT_SECONDS',
    schema: whole(1, 600),
    default: '20',
    description:
      'Seconds the gateway may take to stop after SIGTERM. What is unfinished then is taken up by the next start.',
  }),
  drainDelaySeconds: setting({
    env: 'ONETAKE_DRAIN_DELAY_SECONDS',
    schema: whole(0, 600),
    default: '0',
    description:
      'Behind a load balancer: seconds after SIGTERM in which `/readyz` says no and everything else still works. Above the time in which it notices; see [operations.md](operations.md).',
  }),
  allowPrivateHosts: setting({
    env: 'ONETAKE_ALLOW_PRIVATE_HOSTS',
    schema: words,
    default: '',
    list: true,
    description:
      'Hosts or address ranges, separated by commas, that image URLs may name although they are not public.',
  }),
  httpProxy: setting({
    env: 'ONETAKE_HTTP_PROXY',
    plainEnv: ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy'],
    schema: proxyUrl,
    description:
      'Proxy for what is asked of `http:` URLs: upstreams, the bucket, image URLs; see [operations.md](operations.md). Default: `HTTP_PROXY`, then `ALL_PROXY`, in capitals or not.',
    secret: true,
  }),
  httpsProxy: setting({
    env: 'ONETAKE_HTTPS_PROXY',
    plainEnv: ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy'],
    schema: proxyUrl,
    description: 'Proxy for `https:` URLs. Default: `HTTPS_PROXY`, then `ALL_PROXY`, in capitals or not.',
    secret: true,
  }),
  noProxy: setting({
    env: 'ONETAKE_NO_PROXY',
    plainEnv: ['NO_PROXY', 'no_proxy'],
    schema: noProxyRules,
    default: '',
    list: true,
    description:
      'What is reached without a proxy, separated by commas: hosts with all below them, addresses, ranges, each with a port if need be; `*` for everything. Default: `NO_PROXY`, in capitals or not.',
  }),
  proxyResolves: setting({
    env: 'ONETAKE_PROXY_RESOLVES',
    schema: onOff,
    default: 'false',
    description:
      '`true`: the proxy refuses private addresses by itself, so host names of image URLs are left to it to resolve, as where this machine can resolve none. `false`: they are resolved here, and the proxy is asked for the address that was checked.',
  }),
  previewConcurrency: setting({
    env: 'ONETAKE_PREVIEW_CONCURRENCY',
    schema: whole(0, 64),
    default: '1',
    description: 'Videos the built-in renderer makes at a time; `0` switches it off.',
  }),
} as const;

export type SettingName = keyof typeof SETTINGS;

/**
 * Variables of ours that are no settings: people export them in the shell from which they start a gateway too. Every other
 * `ONETAKE_…` is a slip of the pen.
 */
export const CLIENT_VARIABLES: Readonly<Record<string, string>> = {
  ONETAKE_URL: 'where a client finds the gateway',
  ONETAKE_BASE_URL: 'where a client finds the gateway',
  ONETAKE_API_KEY: "a client's API key",
};

/** The same for the tests and tools of this repository. */
export const TOOL_VARIABLES = /^ONETAKE_(?:TEST_|CRASH_|CHAOS_|CHROMIUM$)/;
