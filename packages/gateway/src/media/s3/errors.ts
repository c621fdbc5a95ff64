import { OnetakeError } from '../../tasks/errors.ts';
import { StoredWrong } from '../media.ts';
import { type Refusal, rowOf, type SentRequest } from './refusals.ts';

const UNREACHABLE = 'cannot be reached, or does not answer in time; see ONETAKE_S3_ENDPOINT and the network.';
const BUSY = 'answers with errors of its own; see its health.';

/** The error names of Node and the SDK for a server that cannot be reached. */
const NETWORK = /^(?:E[A-Z]+|UND_ERR_\w+|TimeoutError|AbortError|NetworkingError|CERT_\w+|ERR_TLS\w*)$/;

/** The names that the SDK gives to responses without an error code. */
const NO_CODE = /^(?:Unknown|UnknownError|Error|NotFound|Forbidden|\d{3})?$/;

/** The form of an error code that is safe to show to callers: a server may send any text. */
const PLAIN_NAME = /^[A-Za-z0-9._:-]{1,64}$/;

/** An error of the SDK. The elements of the server's response are further properties of it. */
interface Answer {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly Code?: unknown;
  readonly code?: unknown;
  readonly Region?: unknown;
  readonly Header?: unknown;
  readonly ArgumentName?: unknown;
  readonly ArgumentValue?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown };
  /** See `noteRequest`. */
  readonly sent?: SentRequest;
}

const asAnswer = (error: unknown): Answer => (error instanceof Error ? error : {});

export const statusOf = (error: unknown): number | undefined => asAnswer(error).$metadata?.httpStatusCode;

export const isCode = (error: unknown, ...codes: readonly string[]): boolean =>
  [asAnswer(error).name, asAnswer(error).Code].some(
    (given) => typeof given === 'string' && codes.includes(given),
  );

/** Whether a response says that the object does not exist; for a HEAD, possibly the bucket. A 404 from a web site does not count. */
export const isNoSuchKey = (error: unknown): boolean =>
  isCode(error, 'NoSuchKey', 'NotFound') && !refusalOf(error).isPage;

/** The error for a missing bucket. The response to its HEAD has no body that could say so. */
export const noSuchBucket = (cause: unknown): Error =>
  Object.assign(new Error('no such bucket', { cause }), { name: 'NoSuchBucket', sent: asAnswer(cause).sent });

/** The error for an HTML page received instead of an object. */
export const webPage = (): Error =>
  Object.assign(new Error('the answer is an HTML page'), { name: 'WebPage' });

/** Whether the server does not support this kind of request. */
export const isNotImplemented = (error: unknown): boolean =>
  isCode(error, 'NotImplemented', 'MethodNotAllowed') || statusOf(error) === 501;

/** Records the request on its error, for the explanation and for the log. */
export function noteRequest(error: unknown, sent: SentRequest): void {
  if (error instanceof Error) Object.assign(error, { sent });
}

/** Runs `work`. An error of the object storage becomes a 503 that says what to check, with the original error as its cause. */
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
  const refusal = refusalOf(error);
  const row = rowOf(refusal);
  if (row) return typeof row.say === 'string' ? row.say : row.say(refusal);
  const { code, status } = refusal;
  if (status !== undefined && status >= 500 && status !== 501) return BUSY;
  if ([code, asAnswer(error).name].some((word) => typeof word === 'string' && NETWORK.test(word)))
    return UNREACHABLE;
  const named = PLAIN_NAME.test(code) ? ` with ${code}` : '';
  const under = status === undefined ? '' : ` (status ${status})`;
  return `refused a request${named}${under}; the log has its answer.`;
}

/** Extracts what is known from an error of the SDK. */
export function refusalOf(error: unknown): Refusal {
  const answer = asAnswer(error);
  const { headers = {}, body } = answer.$response ?? {};
  const code = [answer.Code, answer.code, answer.name].find(isCodeWord) ?? '';
  const sent = answer.sent ?? UNKNOWN_REQUEST;
  const region = answer.Region ?? headers['x-amz-bucket-region'];
  const isHtml = headers['content-type']?.startsWith('text/html') ?? false;
  const said = [answer.message, answer.Header, answer.ArgumentName, answer.ArgumentValue, body];
  return {
    code,
    status: answer.$metadata?.httpStatusCode,
    words: said
      .filter((word) => typeof word === 'string')
      .join(' ')
      .slice(0, 2000),
    // Google labels responses without a body as HTML too.
    isPage: isHtml && code === '' && !sent.operation.startsWith('Head'),
    region: typeof region === 'string' && PLAIN_NAME.test(region) ? region : undefined,
    location: headers.location,
    sent,
  };
}

const UNKNOWN_REQUEST: SentRequest = {
  operation: 'a request',
  endpoint: false,
  pathStyle: true,
  checksums: false,
  encrypted: false,
};

const isCodeWord = (word: unknown): word is string => typeof word === 'string' && !NO_CODE.test(word);
