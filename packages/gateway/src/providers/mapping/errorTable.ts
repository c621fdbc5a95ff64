import type { Reason } from '../../tasks/reasons.ts';
import { wordsForCaller } from '../http/secrets.ts';
import { UpstreamError } from '../provider.ts';

/** What an upstream said when it refused or failed. */
export interface UpstreamRefusal {
  /** HTTP status; undefined if the refusal came in a task or in a 200. */
  readonly status?: number;
  /** The upstream's own error code or word. */
  readonly code?: string;
  readonly message?: string;
  readonly retryAfterMs?: number;
  /** Another server has answered, see `isForeign`. */
  readonly isForeign?: boolean;
  /** The refused call was to create a job from a request alone. */
  readonly isCreation?: boolean;
}

/** What an operator does about answers of another server. The log names the account. */
export const CHECK_ADDRESS = 'check base_url of the account';

/**
 * Whether an answer with an error cannot come from a JSON API: it is a page (HTML, or the XML of a storage service), or says that there is
 * nothing and is no JSON. Then the address is wrong, or something in front of the upstream has answered.
 */
export const isForeign = (status: number, text: string, isJson: boolean): boolean =>
  /^\s*</.test(text) || (!isJson && NOTHING_THERE.includes(status));

/** RFC 9110: Not Found and Method Not Allowed, the answers of a server at a path that it does not have. */
const NOTHING_THERE: readonly number[] = [404, 405];

/**
 * One row of an upstream's error table: the reason of the refusals that match. All given members must match. The first matching
 * row counts.
 */
export interface ErrorRow {
  readonly status?: number | readonly [from: number, to: number];
  readonly code?: string | Pick<RegExp, 'test'>;
  readonly message?: Pick<RegExp, 'test'>;
  readonly reason: Reason;
  /** Whether a submission that is refused so may have created a job. Default: by the status; see `refusalError`. */
  readonly created?: 'no' | 'unknown';
}

/** The reason by an upstream's table or, if no row matches, by the meaning of the status in HTTP. */
export const reasonOf = (table: readonly ErrorRow[], refusal: UpstreamRefusal): Reason =>
  rowOf(table, refusal)?.reason ?? 'upstream_failed';

function rowOf(table: readonly ErrorRow[], refusal: UpstreamRefusal): ErrorRow | undefined {
  const rows = refusal.isForeign
    ? [...FOREIGN_ERRORS, ...HTTP_ERRORS]
    : [...table, ...(refusal.isCreation ? NO_SUCH_CALL : []), ...HTTP_ERRORS];
  return rows.find((row) => matches(row, refusal));
}

/** The caller's request cannot be the reason that there is no call, or no model, to send it to. The account may still serve other models. */
const NO_SUCH_CALL: readonly ErrorRow[] = NOTHING_THERE.map((status) => ({
  status,
  reason: 'upstream_failed',
}));

/** A server that is not the upstream has not read the request, so its refusal says nothing about it, except that it is too large. */
const FOREIGN_ERRORS: readonly ErrorRow[] = [
  { status: 413, reason: 'invalid_request' },
  ...[400, ...NOTHING_THERE, 406, 409, 410, 411, 415, 421, 422].map(
    (status): ErrorRow => ({ status, reason: 'upstream_unavailable' }),
  ),
];

/** The meaning of statuses in RFC 9110, section 15. */
const HTTP_ERRORS: readonly ErrorRow[] = [
  { status: 401, reason: 'auth_failed' },
  { status: 403, reason: 'auth_failed' },
  { status: 402, reason: 'quota_exhausted' },
  { status: 408, reason: 'upstream_timeout' },
  { status: 429, reason: 'rate_limited' },
  { status: [400, 499], reason: 'invalid_request' },
  { status: [500, 599], reason: 'upstream_unavailable' },
];

/** Reasons for which the upstream's message helps the caller. For the others it is only for the operator. */
const TOLD_TO_CALLER: ReadonlySet<Reason> = new Set(['content_rejected', 'invalid_request']);

/**
 * The error of a call that was refused. A clear refusal of a submission means that no job was created. After a 5xx, 408 or 409
 * that is unknown, unless a row says otherwise.
 */
export function refusalError(table: readonly ErrorRow[], refusal: UpstreamRefusal): UpstreamError {
  const { status = 500, code, retryAfterMs, isForeign } = refusal;
  const reason = reasonOf(table, refusal);
  const message = wordsOf(reason, refusal);
  const clear = status >= 400 && status < 500 && status !== 408 && status !== 409;
  return new UpstreamError(reason, {
    created: rowOf(table, refusal)?.created ?? (clear ? 'no' : 'unknown'),
    detail: detailOf(refusal),
    ...(message ? { message } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(code === undefined || isForeign ? {} : { cause: code }),
  });
}

/** What a caller may read of a refusal; empty if it is only for the operator. */
const wordsOf = (reason: Reason, { message = '', isForeign }: UpstreamRefusal): string =>
  TOLD_TO_CALLER.has(reason) && !isForeign ? wordsForCaller(message) : '';

/** The message for the caller and the detail for the operator about a task that failed upstream. */
export function failureWords(
  table: readonly ErrorRow[],
  refusal: UpstreamRefusal,
): { reason: Reason; message: string; detail: string } {
  const reason = reasonOf(table, refusal);
  const message = wordsOf(reason, refusal) || new UpstreamError(reason).message;
  return { reason, message, detail: detailOf(refusal) };
}

function detailOf({ status, code, message, isForeign, isCreation }: UpstreamRefusal): string {
  const said = [status, code, message].filter((part) => part !== undefined && part !== '').join(' ');
  if (isForeign) return `the answer is not from this API, ${CHECK_ADDRESS}: ${said}`;
  const isNowhere = isCreation && status !== undefined && NOTHING_THERE.includes(status);
  return isNowhere ? `${said} (${CHECK_ADDRESS}, and the upstream's name of the model)` : said;
}

function matches(row: ErrorRow, { status, code, message }: UpstreamRefusal): boolean {
  return (
    statusMatches(row.status, status) &&
    codeMatches(row.code, code) &&
    (row.message?.test(message ?? '') ?? true)
  );
}

function statusMatches(wanted: ErrorRow['status'], status: number | undefined): boolean {
  if (wanted === undefined) return true;
  if (status === undefined) return false;
  return typeof wanted === 'number' ? wanted === status : status >= wanted[0] && status <= wanted[1];
}

function codeMatches(wanted: ErrorRow['code'], code: string | undefined): boolean {
  if (wanted === undefined) return true;
  if (code === undefined) return false;
  return typeof wanted === 'string' ? wanted === code : wanted.test(code);
}
