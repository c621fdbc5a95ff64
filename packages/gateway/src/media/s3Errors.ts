import { OnetakeError } from '../tasks/errors.ts';
import { StoredWrong } from './media.ts';

/** S3's own words for what the operator must mend: `Code` of an error answer (S3 API reference, "Error responses"). */
const TROUBLES: Readonly<Record<string, string>> = {
  NoSuchBucket: 'has no such bucket; make it, or correct ONETAKE_S3_BUCKET.',
  AccessDenied:
    'refuses access; give the credentials the permissions that docs/storage.md lists, and see ONETAKE_S3_ACCESS_KEY_ID.',
  AllAccessDisabled: 'refuses access to this bucket; see its account, or correct ONETAKE_S3_BUCKET.',
  InvalidAccessKeyId: 'does not know the access key; correct ONETAKE_S3_ACCESS_KEY_ID.',
  SignatureDoesNotMatch:
    'refuses the signature; correct ONETAKE_S3_SECRET_ACCESS_KEY, and see ONETAKE_S3_REGION and ONETAKE_S3_ENDPOINT.',
  ExpiredToken: 'says that the credentials have expired; renew them.',
  CredentialsProviderError:
    'needs credentials, and none are configured; set ONETAKE_S3_ACCESS_KEY_ID and ONETAKE_S3_SECRET_ACCESS_KEY.',
  RequestTimeTooSkewed: "refuses this machine's time; set its clock.",
  PermanentRedirect: 'has the bucket in another region; correct ONETAKE_S3_REGION, or ONETAKE_S3_ENDPOINT.',
  AuthorizationHeaderMalformed: 'has the bucket in another region; correct ONETAKE_S3_REGION.',
  IllegalLocationConstraintException: 'has the bucket in another region; correct ONETAKE_S3_REGION.',
  QuotaExceeded: 'is full; raise the quota of the bucket.',
  XMinioStorageFull: 'is full; free space on its disks.',
  'KMS.NotFoundException': 'does not know the encryption key; correct ONETAKE_S3_SSE_KMS_KEY_ID.',
  'KMS.DisabledException': 'cannot use the encryption key, which is disabled; see ONETAKE_S3_SSE_KMS_KEY_ID.',
  // Of servers that do not know the checksums that the SDK adds, or an option of an upload.
  NotImplemented:
    'does not support an option of the request; set ONETAKE_S3_CHECKSUMS=false, and see ONETAKE_S3_SSE.',
  BadDigest: 'found the bytes damaged on their way.',
};

/** Answers to HEAD have no body, and so no code: their status has to do. */
const BY_STATUS: Readonly<Record<number, keyof typeof TROUBLES>> = {
  301: 'PermanentRedirect',
  307: 'PermanentRedirect',
  403: 'AccessDenied',
};

const UNREACHABLE = 'cannot be reached, or does not answer in time; see ONETAKE_S3_ENDPOINT and the network.';
const BUSY = 'answers with errors of its own; see its health.';
const OTHERWISE = 'refused a request; the log has its answer.';

/** What Node and the SDK call a server that is away. */
const NETWORK = /^(?:E[A-Z]+|UND_ERR_\w+|TimeoutError|AbortError|NetworkingError|CERT_\w+|ERR_TLS\w*)$/;

interface Answer {
  readonly name?: unknown;
  readonly Code?: unknown;
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

const asAnswer = (error: unknown): Answer => (error instanceof Error ? error : {});

export const statusOf = (error: unknown): number | undefined => asAnswer(error).$metadata?.httpStatusCode;

export const isCode = (error: unknown, ...codes: readonly string[]): boolean =>
  [asAnswer(error).name, asAnswer(error).Code].some(
    (given) => typeof given === 'string' && codes.includes(given),
  );

/** Whether an answer says that there is no such object; of a HEAD, perhaps no such bucket. */
export const isNoSuchKey = (error: unknown): boolean => isCode(error, 'NoSuchKey', 'NotFound');

/** Whether the server does not know this kind of request. */
export const isNotImplemented = (error: unknown): boolean =>
  isCode(error, 'NotImplemented', 'MethodNotAllowed') || statusOf(error) === 501;

/** Runs `work`; what the object storage answers becomes a 503 that says what to look at, with its own error as the cause. */
export async function explainedS3<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof OnetakeError || error instanceof StoredWrong ? error : unavailable(error);
  }
}

function unavailable(error: unknown): OnetakeError {
  return new OnetakeError(
    'storage_unavailable',
    503,
    `The gateway's object storage ${troubleOf(error)}`,
    { retryAfterSeconds: 30 },
    error,
  );
}

function troubleOf(error: unknown): string {
  const { name, Code, code } = asAnswer(error);
  for (const word of [Code, name]) {
    if (typeof word === 'string' && TROUBLES[word]) return TROUBLES[word];
  }
  const status = statusOf(error);
  const byStatus = status === undefined ? undefined : BY_STATUS[status];
  if (byStatus && TROUBLES[byStatus]) return TROUBLES[byStatus];
  if (status !== undefined && status >= 500) return BUSY;
  if ([name, code].some((word) => typeof word === 'string' && NETWORK.test(word))) return UNREACHABLE;
  if (error instanceof Error && /region is missing/i.test(error.message)) {
    return 'needs its region; set ONETAKE_S3_REGION.';
  }
  return OTHERWISE;
}
