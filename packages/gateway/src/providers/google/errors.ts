import { z } from 'zod';
import type { ErrorRow, UpstreamRefusal } from '../mapping/errorTable.ts';

/** Messages of the content filters ("Responsible AI and usage guidelines for Veo", support codes), in refusals and in failures. */
const CONTENT = /usage guidelines|support codes?:|responsible ai|safety (?:filter|polic)|violat\w+ .*polic/i;

/** Refused calls. `code` is the name in google.rpc.Code, followed by the reason of the ErrorInfo or QuotaFailure, if there is one. */
export const REFUSALS: readonly ErrorRow[] = [
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

/** Operations that ended with an error. `code` is the name of `error.code` in google.rpc.Code. */
export const FAILURES: readonly ErrorRow[] = [
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

/** The name of an operation's `error.code`. */
export const codeName = (code: number | undefined): string =>
  (code === undefined ? undefined : CODES[code]) ?? `code ${code ?? 'missing'}`;

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
    status: z.string().optional().catch(undefined),
    message: z.string().optional().catch(undefined),
    details: z.array(Detail.catch({})).optional().catch(undefined),
  }),
});

/** Reads google.rpc.Status (AIP-193). The time to wait is in RetryInfo and not in a header. */
export function refusalOf(body: unknown, status: number): UpstreamRefusal {
  const parsed = Refused.safeParse(body);
  if (!parsed.success) return status === 404 ? { code: 'NOT_FOUND' } : {};
  const { error } = parsed.data;
  const details = error.details ?? [];
  const words = details.flatMap(({ reason, violations = [] }) => [
    ...(reason === undefined ? [] : [reason]),
    ...violations.flatMap(({ quotaId }) => quotaId ?? []),
  ]);
  const delay = details.map(({ retryDelay }) => seconds(retryDelay)).find((value) => value !== undefined);
  const code = [error.status ?? (status === 404 ? 'NOT_FOUND' : ''), ...words].join(' ').trim();
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
