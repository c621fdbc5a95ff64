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
}

/**
 * One row of an upstream's error table: the reason of the refusals that match. All given members must match. The first matching
 * row counts.
 */
export interface ErrorRow {
  readonly status?: number | readonly [from: number, to: number];
  readonly code?: string | RegExp;
  readonly message?: RegExp;
  readonly reason: Reason;
}

/** The reason by an upstream's table or, if no row matches, by the meaning of the status in HTTP. */
export function reasonOf(table: readonly ErrorRow[], refusal: UpstreamRefusal): Reason {
  return [...table, ...HTTP_ERRORS].find((row) => matches(row, refusal))?.reason ?? 'upstream_failed';
}

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
 * that is unknown.
 */
export function refusalError(table: readonly ErrorRow[], refusal: UpstreamRefusal): UpstreamError {
  const { status = 500, code, message = '', retryAfterMs } = refusal;
  const reason = reasonOf(table, refusal);
  const clear = status >= 400 && status < 500 && status !== 408 && status !== 409;
  return new UpstreamError(reason, {
    created: clear ? 'no' : 'unknown',
    detail: detailOf(refusal),
    ...(TOLD_TO_CALLER.has(reason) && message ? { message: wordsForCaller(message) } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(code === undefined ? {} : { cause: code }),
  });
}

/** The message for the caller and the detail for the operator about a task that failed upstream. */
export function failureWords(
  table: readonly ErrorRow[],
  refusal: UpstreamRefusal,
): { reason: Reason; message: string; detail: string } {
  const reason = reasonOf(table, refusal);
  const told = TOLD_TO_CALLER.has(reason) ? wordsForCaller(refusal.message ?? '') : '';
  return { reason, message: told || new UpstreamError(reason).message, detail: detailOf(refusal) };
}

function detailOf({ status, code, message }: UpstreamRefusal): string {
  return [status, code, message].filter((part) => part !== undefined && part !== '').join(' ');
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
