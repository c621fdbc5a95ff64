import { isIP } from 'node:net';
import { z } from 'zod';
import { CHOSEN_KEY_RULE, isChosenKey } from '../auth/keys.ts';
import { readSendfile } from '../media/sendfile.ts';
import { isProxyRule } from '../net/proxies.ts';
import { LOG_LEVELS } from '../observability/log.ts';
import { baseUrl, headerValue, hostLabel, webUrl } from '../settingSchemas.ts';
import { checkDatabaseUrl } from '../store/postgres/url.ts';

/** A setting: where it is read from, its schema, and what it does. */
export interface Setting {
  /** The environment variable. The name in `onetake.yaml` is the same in lower case, without `ONETAKE_`. */
  readonly env: string;
  readonly schema: z.ZodType;
  /** The default as text, in the form used in a variable. */
  readonly default?: string;
  readonly description: string;
  /** Values separated by commas; a list in the file. */
  readonly list?: true;
  /** Never printed. */
  readonly secret?: true;
  /** Variables of platforms and other programs. The first one that is set is used if neither the environment nor the file has ours. */
  readonly plainEnv?: readonly string[];
}

const setting = <const T extends Setting>(definition: T): T => definition;

const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^-?\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max));

/** Days that something of a task is kept after its end; 0: no end. An upstream may deliver up to two days late, and a key of idempotency lasts one. */
const daysKept = (unlimited: string) =>
  whole(0, 36_500).refine(
    (days) => days !== 1,
    `must be 0, ${unlimited}, or at least 2 days: an upstream may end a job up to two days after its task has failed`,
  );

/** An IP address or a host name. A name whose last part is a number is an IPv4 address for every resolver, as for `URL`. */
const listenHost = z
  .string()
  .refine(
    (host) => isIP(host) > 0 || (/^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/i.test(host) && canBeHost(host)),
    'must be only an address or a host name, such as 127.0.0.1, :: or localhost; the port is ONETAKE_PORT',
  );

const canBeHost = (host: string): boolean => !host.includes('..') && URL.canParse(`http://${host}`);

const onOff = z.enum(['true', 'false']).transform((value) => value === 'true');

/** The rules of S3 for names, without those that older buckets and other servers do not follow: lower case, no underscores. */
const bucketName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$/, 'must be the name of a bucket')
  .refine(
    (name) => !name.includes('..') && !/[.-]$/.test(name) && isIP(name) === 0,
    'must be the name of a bucket: not an address, without two dots in a row, and without a dot or hyphen at its end',
  );

const sendfile = z.string().transform((text, context) => {
  try {
    return readSendfile(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
    return z.NEVER;
  }
});

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

/** As browsers write it in `Origin`. Applications in a web view have schemes of their own: `capacitor://localhost`. */
const isOrigin = (text: string): boolean =>
  /^https?:/.test(text)
    ? URL.parse(text)?.origin === text && !text.includes('*')
    : /^[a-z][a-z0-9+.-]*:\/\/[a-z0-9.-]+(?::\d+)?$/.test(text);

/** Also accepts `host:port`, like other programs. */
const proxyUrl = z
  .string()
  .transform((text) => (/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`))
  .pipe(
    webUrl(
      'must be the URL of an HTTP proxy, such as http://user:password@proxy.internal:3128; SOCKS is not supported',
    ),
  );

const noProxyRules = z
  .string()
  .transform((list) => list.split(/[\s,]+/).filter(Boolean))
  .refine((entries) => entries.every(isProxyRule), 'must be hosts, addresses or ranges, separated by commas');

/** All settings of the gateway. The table in docs/settings.md is generated from this. */
export const SETTINGS = {
  host: setting({
    env: 'ONETAKE_HOST',
    schema: listenHost,
    default: '127.0.0.1',
    description: 'Address to listen on. `0.0.0.0` also accepts connections from other machines.',
  }),
  port: setting({
    env: 'ONETAKE_PORT',
    schema: whole(0, 65_535),
    default: '8787',
    description: 'Port to listen on; `0` takes a free one.',
  }),
  workers: setting({
    env: 'ONETAKE_WORKERS',
    schema: z
      .string()
      .refine(
        (given) => given === 'auto' || (/^\d+$/.test(given) && Number(given) >= 1 && Number(given) <= 256),
        'must be a whole number from 1 to 256, or auto',
      )
      .transform((given): 'auto' | number => (given === 'auto' ? given : Number(given))),
    default: '1',
    description:
      'Processes that serve together on the port, or `auto`: one per core. More than one need PostgreSQL and a bucket; see [operations.md](operations.md#all-cores-of-a-machine).',
  }),
  publicUrl: setting({
    env: 'ONETAKE_PUBLIC_URL',
    schema: baseUrl,
    description:
      'URL at which clients reach the gateway. Links in answers begin with it. Default: the address it listens on.',
  }),
  mediaUrl: setting({
    env: 'ONETAKE_MEDIA_URL',
    schema: baseUrl,
    description: 'Base of signed media links, if they have their own domain. Default: the public URL.',
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
      'PostgreSQL (14 or newer) that several gateways share: `postgres://user:password@host:5432/onetake`. If this is not set, `DATABASE_URL` is used. Default: the embedded store in the data folder.',
    secret: true,
  }),
  databaseSessionUrl: setting({
    env: 'ONETAKE_DATABASE_SESSION_URL',
    schema: postgresUrl,
    description:
      'Direct URL of the same database, if `ONETAKE_DATABASE_URL` is a pooler in transaction mode. Each gateway keeps one connection to it. Default: the database URL.',
    secret: true,
  }),
  databasePool: setting({
    env: 'ONETAKE_DATABASE_POOL',
    schema: whole(1, 1000),
    default: '10',
    description:
      'Maximum number of connections to PostgreSQL, besides the one above, of each process. The sum over all gateways must stay below the limit of the server. If it is not set, more than six workers get fewer: 64 together, but at least 3 each.',
  }),
  s3Bucket: setting({
    env: 'ONETAKE_S3_BUCKET',
    schema: bucketName,
    description:
      'Bucket for videos, posters and inputs, which are stored in files otherwise; see [storage.md](storage.md). The bucket must exist.',
  }),
  s3Endpoint: setting({
    env: 'ONETAKE_S3_ENDPOINT',
    schema: baseUrl,
    description:
      'URL of an S3 server other than AWS: `https://<account>.r2.cloudflarestorage.com`, `http://minio:9000`.',
  }),
  s3Region: setting({
    env: 'ONETAKE_S3_REGION',
    schema: hostLabel('must be the name of a region, such as eu-central-1'),
    description:
      'Region of the bucket. Default: `us-east-1` with an endpoint, otherwise that of the AWS SDK (`AWS_REGION`, shared files).',
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
      'Path in the bucket below which everything is stored; `/` for none. Every installation needs its own path.',
  }),
  s3PathStyle: setting({
    env: 'ONETAKE_S3_PATH_STYLE',
    schema: onOff,
    default: 'false',
    description:
      '`true`: the bucket is part of the path (`https://host/bucket/…`), as most self-hosted servers require; `false`: part of the host name.',
  }),
  s3AccessKeyId: setting({
    env: 'ONETAKE_S3_ACCESS_KEY_ID',
    schema: headerValue,
    description:
      'Access key of the bucket. Default: the credential chain of the AWS SDK (environment, shared files, role of the container or machine).',
    secret: true,
  }),
  s3SecretAccessKey: setting({
    env: 'ONETAKE_S3_SECRET_ACCESS_KEY',
    schema: headerValue,
    description: 'Secret of the access key.',
    secret: true,
  }),
  s3Sse: setting({
    env: 'ONETAKE_S3_SSE',
    schema: z.enum(['AES256', 'aws:kms']),
    description:
      'Encryption at rest requested for uploads: `AES256` or `aws:kms`. Default: that of the bucket.',
  }),
  s3SseKmsKeyId: setting({
    env: 'ONETAKE_S3_SSE_KMS_KEY_ID',
    schema: headerValue,
    description: 'Key of `aws:kms`. Default: that of the bucket.',
  }),
  s3Checksums: setting({
    env: 'ONETAKE_S3_CHECKSUMS',
    schema: onOff,
    default: 'true',
    description: 'Sends a CRC32 with every upload. Set to `false` for servers that do not support it.',
  }),
  s3PublicEndpoint: setting({
    env: 'ONETAKE_S3_PUBLIC_ENDPOINT',
    schema: baseUrl,
    description: 'URL at which clients reach the S3 server, for links to the bucket. Default: the endpoint.',
  }),
  mediaLinks: setting({
    env: 'ONETAKE_MEDIA_LINKS',
    schema: z.enum(['gateway', 'bucket']),
    default: 'gateway',
    description:
      'Target of `url` and `thumbnail_url`: the gateway, or the bucket with presigned links, so that downloads bypass the gateway.',
  }),
  sendfile: setting({
    env: 'ONETAKE_SENDFILE',
    schema: sendfile,
    description:
      'How the reverse proxy in front of the gateway is told to send stored files itself: `X-Accel-Redirect:/protected/` (nginx, with the path of an internal location) or `X-Sendfile` (Apache, lighttpd), also with the folder as that server sees it: `X-Sendfile:/srv/media/`. Only if clients reach the gateway through this proxy alone ([how](storage.md#let-the-reverse-proxy-send-the-files)). Default: the gateway sends them.',
  }),
  bootstrapKey: setting({
    env: 'ONETAKE_BOOTSTRAP_KEY',
    schema: z.string().refine(isChosenKey, CHOSEN_KEY_RULE),
    description:
      'An API key (`sk-…`, 20 characters or more) with admin scope that exists from the first start. While it is set, every start makes it valid again, even if it was revoked, changed or rotated.',
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
      '`json`: one object per line; `pretty`: for people; `auto`: `pretty` on a terminal, `json` everywhere else.',
  }),
  bodyLimitMb: setting({
    env: 'ONETAKE_BODY_LIMIT_MB',
    schema: whole(1, 1024),
    default: '64',
    description:
      'Maximum size of a request body, MiB, but for uploads to `/v1/files`. Base64 makes images in a body a third larger.',
  }),
  fileLimitMb: setting({
    env: 'ONETAKE_FILE_LIMIT_MB',
    schema: whole(1, 200),
    default: '200',
    description:
      'Maximum size of a file that is uploaded to `/v1/files`, MiB. No upstream takes a larger video.',
  }),
  fileRetentionHours: setting({
    env: 'ONETAKE_FILE_RETENTION_HOURS',
    schema: whole(1, 8760),
    default: '720',
    description: 'How many hours an uploaded file is kept, unless its upload asks for less.',
  }),
  fileStorageMb: setting({
    env: 'ONETAKE_FILE_STORAGE_MB',
    schema: whole(1, 1_048_576),
    default: '10240',
    description:
      'How much a project may keep in uploaded files at a time, MiB. Further uploads are answered with 409.',
  }),
  linkTtlHours: setting({
    env: 'ONETAKE_LINK_TTL_HOURS',
    schema: whole(1, 8760),
    default: '24',
    description:
      'Minimum validity of a signed link, hours. It is at most twice as long, and never longer than the video is kept.',
  }),
  retentionHours: setting({
    env: 'ONETAKE_RETENTION_HOURS',
    schema: whole(1, 87_600),
    default: '168',
    description: 'How many hours a finished video is kept. Afterwards downloads answer 410.',
  }),
  eventRetentionHours: setting({
    env: 'ONETAKE_EVENT_RETENTION_HOURS',
    schema: whole(1, 8760),
    default: '168',
    description:
      'How many hours an event is kept, so that a client that was away can catch up; see [waiting.md](waiting.md).',
  }),
  taskRetentionDays: setting({
    env: 'ONETAKE_TASK_RETENTION_DAYS',
    schema: daysKept('for ever'),
    default: '0',
    description:
      'How many days a task is kept after its end; `0`: for ever. Then all of it is removed, and it is answered like an unknown one (404); only sums of its money remain. See [storage.md](storage.md#what-ends-and-when).',
  }),
  ledgerRetentionDays: setting({
    env: 'ONETAKE_LEDGER_RETENTION_DAYS',
    schema: daysKept('as long as the task'),
    default: '0',
    description:
      'How many days after the end of a task the ledger has rows of its own for it. Then they become a part of the sums of their day, by project, key, model, account and currency; no sum changes. `0`: as long as the task.',
  }),
  deliveryRetentionHours: setting({
    env: 'ONETAKE_DELIVERY_RETENTION_HOURS',
    schema: whole(1, 8760),
    description:
      'How many hours a webhook delivery that has ended is listed, and can be sent again. Default: as long as its event.',
  }),
  auditRetentionDays: setting({
    env: 'ONETAKE_AUDIT_RETENTION_DAYS',
    schema: whole(0, 36_500),
    default: '0',
    description: 'How many days the audit log has a change of a key, a project or an account; `0`: for ever.',
  }),
  eventStreams: setting({
    env: 'ONETAKE_EVENT_STREAMS',
    schema: whole(1, 100_000),
    default: '10000',
    description:
      'Maximum number of event streams that are open at this gateway. Further ones are answered with 429.',
  }),
  eventStreamsPerKey: setting({
    env: 'ONETAKE_EVENT_STREAMS_PER_KEY',
    schema: whole(1, 100_000),
    default: '1000',
    description: 'The same for one API key.',
  }),
  maxVideoMb: setting({
    env: 'ONETAKE_MAX_VIDEO_MB',
    schema: whole(1, 1_048_576),
    description:
      'Maximum size of a video fetched from an upstream, MiB; a larger one fails its task. Default: derived from the request, 256 MiB and 100 Mbit/s at 1080p.',
  }),
  diskReserveMb: setting({
    env: 'ONETAKE_DISK_RESERVE_MB',
    schema: whole(0, 1_048_576),
    default: '256',
    description:
      'Free space on the disk of the data folder that is reserved for the database, MiB. If less is free, videos stay upstream, and `/readyz` reports it.',
  }),
  scrubSeconds: setting({
    env: 'ONETAKE_SCRUB_SECONDS',
    schema: whole(0, 86_400),
    default: '60',
    description:
      'Interval at which the next stored file is verified against its SHA-256 in the background, seconds. The file verified longest ago is next; no file is verified twice a day. `0` disables it. See [storage.md](storage.md).',
  }),
  budgetCurrency: setting({
    env: 'ONETAKE_BUDGET_CURRENCY',
    schema: z.string().regex(/^[A-Z]{3}$/, 'must be a currency code of three capital letters, such as USD'),
    default: 'USD',
    description:
      'The currency of the budgets of projects and keys. A project or key with a budget cannot use models that are priced in another one. See [money.md](money.md).',
  }),
  taskDeadlineMinutes: setting({
    env: 'ONETAKE_TASK_DEADLINE_MINUTES',
    schema: whole(1, 10_080),
    default: '360',
    description: 'An unfinished task fails as expired this many minutes after it was accepted.',
  }),
  maxAttempts: setting({
    env: 'ONETAKE_MAX_ATTEMPTS',
    schema: whole(1, 100),
    default: '10',
    description:
      'Maximum number of submissions of a task to upstreams that refuse it temporarily. Then the task fails with that reason.',
  }),
  resubmitUnknown: setting({
    env: 'ONETAKE_RESUBMIT_UNKNOWN',
    schema: onOff,
    default: 'false',
    description:
      'What happens if the outcome of a submission cannot be established. `true` submits again, which may create and bill a second video; `false` fails the task.',
  }),
  callTimeoutSeconds: setting({
    env: 'ONETAKE_CALL_TIMEOUT_SECONDS',
    schema: whole(1, 600),
    default: '60',
    description: 'Timeout of an upstream call, seconds.',
  }),
  drainTimeoutSeconds: setting({
    env: 'ONETAKE_DRAIN_TIMEOUT_SECONDS',
    schema: whole(1, 600),
    default: '20',
    description:
      'How many seconds the gateway may take to stop after SIGTERM. Unfinished work is resumed at the next start.',
  }),
  drainDelaySeconds: setting({
    env: 'ONETAKE_DRAIN_DELAY_SECONDS',
    schema: whole(0, 600),
    default: '0',
    description:
      'Behind a load balancer: how many seconds after SIGTERM `/readyz` answers 503 while everything else still works. Must be longer than the load balancer takes to notice; see [operations.md](operations.md).',
  }),
  allowPrivateHosts: setting({
    env: 'ONETAKE_ALLOW_PRIVATE_HOSTS',
    schema: words,
    default: '',
    list: true,
    description:
      'Hosts or address ranges, separated by commas, that URLs of callers (images, webhooks) may lead to although they are not public. A host that only the hosts file or a search domain knows must be listed by its name.',
  }),
  corsOrigins: setting({
    env: 'ONETAKE_CORS_ORIGINS',
    schema: words.refine(
      (origins) => origins.every((origin) => origin === '*' || isOrigin(origin)),
      'must be origins such as https://app.example.com, without a path, separated by commas; or * for all',
    ),
    default: '',
    list: true,
    description:
      'Origins, separated by commas, whose pages may call the API from a browser, such as `https://app.example.com`; `*`: all. See [operations.md](operations.md#pages-that-call-the-api).',
  }),
  httpProxy: setting({
    env: 'ONETAKE_HTTP_PROXY',
    plainEnv: ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy'],
    schema: proxyUrl,
    description:
      'Proxy for requests to `http:` URLs: upstreams, the bucket, image URLs; see [operations.md](operations.md). Default: `HTTP_PROXY`, then `ALL_PROXY`, in upper or lower case.',
    secret: true,
  }),
  httpsProxy: setting({
    env: 'ONETAKE_HTTPS_PROXY',
    plainEnv: ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy'],
    schema: proxyUrl,
    description: 'Proxy for `https:` URLs. Default: `HTTPS_PROXY`, then `ALL_PROXY`, in upper or lower case.',
    secret: true,
  }),
  noProxy: setting({
    env: 'ONETAKE_NO_PROXY',
    plainEnv: ['NO_PROXY', 'no_proxy'],
    schema: noProxyRules,
    default: '',
    list: true,
    description:
      'Targets reached without a proxy, separated by commas: hosts (including their subdomains), addresses and ranges, each optionally with a port; `*` for everything. Default: `NO_PROXY`, in upper or lower case.',
  }),
  proxyResolves: setting({
    env: 'ONETAKE_PROXY_RESOLVES',
    schema: onOff,
    default: 'false',
    description:
      '`true`: the proxy resolves the host names of image URLs, and must refuse private addresses itself; for machines that cannot resolve public names. `false`: the gateway resolves them, and asks the proxy for the address that it has checked.',
  }),
  previewConcurrency: setting({
    env: 'ONETAKE_PREVIEW_CONCURRENCY',
    schema: whole(0, 64),
    default: '1',
    description: 'Number of videos that the built-in renderer makes concurrently; `0` switches it off.',
  }),
} as const;

export type SettingName = keyof typeof SETTINGS;

/**
 * Variables of clients. They are not settings, but may be set in the shell from which a gateway is started. Any other unknown
 * `ONETAKE_…` variable is reported as a mistake.
 */
export const CLIENT_VARIABLES: Readonly<Record<string, string>> = {
  ONETAKE_URL: 'the URL of the gateway, for clients',
  ONETAKE_BASE_URL: 'the URL of the gateway, for clients',
  ONETAKE_API_KEY: "a client's API key",
};

/** The same for the tests and tools of this repository. */
export const TOOL_VARIABLES = /^ONETAKE_(?:TEST_|CRASH_|CHAOS_|BENCH_|CHROMIUM$)/;
