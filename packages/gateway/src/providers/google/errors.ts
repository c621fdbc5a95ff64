import { z } from 'zod';
import type { ErrorRow, UpstreamRefusal } from '../mapping/errorTable.ts';

/** Messages of the content filters ("Responsible AI and usage guidelines for Veo", support codes), in refusals and in failures. */
const CONTENT = /usage guidelines|support codes?:|responsible ai|safety (?:filter|polic)|violat\w+ .*polic/i;

/** The word of the Interactions API for a request that the filters refuse. */
const BLOCKED: ErrorRow = { code: /\bcontent_blocked$/, reason: 'content_rejected' };

/** Refused calls. `code` is the name in google.rpc.Code, followed by the reason of the ErrorInfo or QuotaFailure, if there is one. */
export const REFUSALS: readonly ErrorRow[] = [
  BLOCKED,
  // The Gemini API answers a wrong key with 400 ("Troubleshooting guide": API_KEY_INVALID).
  { code: /\bAPI_KEY_/, reason: 'auth_failed' },
  { code: /\bBILLING_DISABLED\b/, reason: 'quota_exhausted' },
  // "Gemini API free tier is not available in your country. Please enable billing" (troubleshooting guide).
  { code: /^FAILED_PRECONDITION\b/, message: /billing|free tier/i, reason: 'quota_exhausted' },
  // A daily quota or a quota of zero is not renewed during the life of a task ("Rate limits").
  { code: /^RESOURCE_EXHAUSTED\b.*PerDay/, reason: 'quota_exhausted' },
  { code: /^RESOURCE_EXHAUSTED\b/, message: /\blimit: 0\b|prepayment credits/i, reason: 'quota_exhausted' },
  { code: /^RESOURCE_EXHAUSTED\b/, reason: 'rate_limited' },
  { code: /^UNAUTHENTICATED\b/, reason: 'auth_failed' },
  { code: /^PERMISSION_DENIED\b/, reason: 'auth_failed' },
  { status: 400, message: CONTENT, reason: 'content_rejected' },
  { code: /^INVALID_ARGUMENT\b/, reason: 'invalid_request' },
  // "User location is not supported": the location of this account. Another account may be elsewhere.
  { code: /^FAILED_PRECONDITION\b/, message: /location/i, reason: 'auth_failed' },
];

/** Jobs that ended with an error. `code` is the name of `error.code` in google.rpc.Code, or a word of the Interactions API. */
export const FAILURES: readonly ErrorRow[] = [
  BLOCKED,
  { code: /\binvalid_request$/, reason: 'invalid_request' },
  { code: 'INVALID_ARGUMENT', message: CONTENT, reason: 'content_rejected' },
  { code: 'FAILED_PRECONDITION', message: CONTENT, reason: 'content_rejected' },
  { code: 'INVALID_ARGUMENT', reason: 'invalid_request' },
  { code: 'CANCELLED', reason: 'cancelled' },
  { code: 'DEADLINE_EXCEEDED', reason: 'expired' },
  // The service account of Vertex AI may not write to the bucket of `storage_uri`.
  { code: 'PERMISSION_DENIED', reason: 'auth_failed' },
  // Here RESOURCE_EXHAUSTED, INTERNAL and UNAVAILABLE mean that an accepted job failed.
  { reason: 'upstream_failed' },
];

/** google.rpc.Code, by number. */
const CODES: Readonly<Record<number, string>> = {
  1: 'CANCELLED',
  2: 'UNKNOWN',
  3: 'INVALID_ARGUMENT',
  4: 'DEADLINE_EXCEEDED',
  5: 'NOT_FOUND',
  6: 'ALREADY_EXISTS',
  7: 'PERMISSION_DENIED',
  8: 'RESOURCE_EXHAUSTED',
  9: 'FAILED_PRECONDITION',
  10: 'ABORTED',
  11: 'OUT_OF_RANGE',
  12: 'UNIMPLEMENTED',
  13: 'INTERNAL',
  14: 'UNAVAILABLE',
  15: 'DATA_LOSS',
  16: 'UNAUTHENTICATED',
};

/** The name of a job's `error.code`. The Interactions API has words instead of numbers, which may be the end of a URI. */
export function codeName(code: string | undefined): string {
  const isNumber = code === undefined || /^\d+$/.test(code);
  return isNumber ? (CODES[Number(code)] ?? `code ${code ?? 'missing'}`) : code;
}

const Detail = z.object({
  reason: z.string().optional().catch(undefined),
  retryDelay: z.string().optional().catch(undefined),
  violations: z
    .array(z.object({ quotaId: z.string().optional().catch(undefined) }))
    .optional()
    .catch(undefined),
});

const Refused = z.object({
  error: z.object({
    /** A word in refusals of the Interactions API (`ErrorT` of `@google/genai` 3.3.0). Elsewhere it is the HTTP status. */
    code: z.string().optional().catch(undefined),
    status: z.string().optional().catch(undefined),
    message: z.string().optional().catch(undefined),
    details: z.array(Detail.catch({})).optional().catch(undefined),
  }),
});

/** "Invalid interaction name" is the Interactions API's answer about one that does not exist, with status 400. */
const UNKNOWN_INTERACTION = /\binvalid interaction name\b/i;

/**
 * Reads google.rpc.Status (AIP-193), which some front ends of Google wrap in a list, or the error of the Interactions API. The time to wait is
 * in RetryInfo and not in a header.
 */
export function refusalOf(body: unknown, status: number): UpstreamRefusal {
  const parsed = Refused.safeParse(Array.isArray(body) ? body[0] : body);
  if (!parsed.success) return status === 404 ? { code: 'NOT_FOUND' } : {};
  const { error } = parsed.data;
  const details = error.details ?? [];
  const words = details.flatMap(({ reason, violations = [] }) => [
    ...(reason === undefined ? [] : [reason]),
    ...violations.flatMap(({ quotaId }) => quotaId ?? []),
  ]);
  const delay = details.map(({ retryDelay }) => seconds(retryDelay)).find((value) => value !== undefined);
  const isUnknown = status === 404 || UNKNOWN_INTERACTION.test(error.message ?? '');
  const code = [error.status ?? (isUnknown ? 'NOT_FOUND' : ''), error.code ?? '', ...words]
    .filter(Boolean)
    .join(' ');
  return {
    ...(code ? { code } : {}),
    ...(error.message === undefined ? {} : { message: error.message }),
    ...(delay === undefined ? {} : { retryAfterMs: Math.round(delay * 1000) }),
  };
}

/** google.protobuf.Duration as JSON: `34.5s`. */
function seconds(duration: string | undefined): number | undefined {
  const [, value] = /^(\d+(?:\.\d+)?)s$/.exec(duration ?? '') ?? [];
  return value === undefined ? undefined : Number(value);
}

/** Whether a call was refused because its subject does not exist. */
export const isNotFound = (error: unknown): boolean =>
  error instanceof Error && typeof error.cause === 'string' && /^NOT_FOUND\b/.test(error.cause);
