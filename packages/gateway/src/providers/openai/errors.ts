import { APIConnectionTimeoutError, APIError, APIUserAbortError } from 'openai';
import { z } from 'zod';
import type { Reason } from '../../tasks/reasons.ts';
import type { Clock } from '../../time/clock.ts';
import { lostCall, ownErrorIn } from '../http/lostCall.ts';
import { retryAfterMs } from '../http/retryAfter.ts';
import type { Scrub } from '../http/secrets.ts';
import { errorSaid } from '../mapping/errorSaid.ts';
import {
  CHECK_ADDRESS,
  type ErrorRow,
  isForeign,
  refusalError,
  type UpstreamRefusal,
} from '../mapping/errorTable.ts';
import { UpstreamError } from '../provider.ts';

/**
 * Refusals and failures. OpenAI does not document the errors of the videos endpoints. The codes come from "Error codes", from
 * Azure's "Content filtering", and from failed jobs that others reported (`moderation_blocked`, `video_generation_failed`,
 * `processing_error`).
 */
export const ERRORS: readonly ErrorRow[] = [
  { code: 'moderation_blocked', reason: 'content_rejected' },
  { code: 'content_policy_violation', reason: 'content_rejected' },
  { code: 'content_filter', reason: 'content_rejected' },
  { status: 400, message: /\b(moderation|safety) system\b/i, reason: 'content_rejected' },
  { code: 'insufficient_quota', reason: 'quota_exhausted' },
  { code: 'billing_hard_limit_reached', reason: 'quota_exhausted' },
  { code: 'billing_not_active', reason: 'quota_exhausted' },
  { code: 'rate_limit_exceeded', reason: 'rate_limited' },
  { code: 'invalid_api_key', reason: 'auth_failed' },
  // "Does not exist or you do not have access to it": the account's model name is wrong, not its credentials.
  { code: 'model_not_found', reason: 'upstream_failed' },
  { code: 'video_generation_failed', reason: 'upstream_failed' },
  { code: 'processing_error', reason: 'upstream_failed' },
  // RFC 9110, section 15.6.2: the server has no such call, and will not have it at the next try.
  { status: 501, reason: 'invalid_request' },
  {
    code: /^(invalid_|unsupported_value|unknown_parameter|missing_required_parameter)/,
    status: 400,
    reason: 'invalid_request',
  },
];

/** FastAPI's form of an error; vLLM-Omni and SGLang use it. */
const Detailed = z.object({ detail: z.unknown().refine((detail) => detail != null) });

/** Characters of an upstream's message that are kept for the operator. */
const MESSAGE_LENGTH = 500;

/** A 404. For a call about one job it is an answer: the upstream does not know the job. */
export class NotFound extends UpstreamError {
  constructor(reason: Reason, { message, detail }: UpstreamError) {
    super(reason, { message, created: 'no', ...(detail ? { detail } : {}) });
  }
}

/** Translates what a call of the SDK threw. */
export function errorOf(error: unknown, scrub: Scrub, clock: Clock, isCreation: boolean): UpstreamError {
  const ours = ownErrorIn(error);
  if (ours) return ours;
  if (error instanceof APIUserAbortError) {
    return new UpstreamError('upstream_timeout', { detail: 'given up before the answer came' });
  }
  if (error instanceof APIError && error.status !== undefined)
    return refused(error, scrub, clock, isCreation);
  const lost = lostCall(error instanceof APIError ? (error.cause ?? error) : error, scrub, CHECK_ADDRESS);
  if (!(error instanceof APIConnectionTimeoutError)) return lost;
  return new UpstreamError('upstream_timeout', {
    created: lost.created,
    ...(lost.detail ? { detail: lost.detail } : {}),
  });
}

function refused(error: APIError, scrub: Scrub, clock: Clock, isCreation: boolean): UpstreamError {
  const { status = 0 } = error;
  // The SDK puts the status before a text that is not JSON.
  const text = error.error === undefined ? error.message.replace(/^\d+ /, '') : '';
  const isJson = error.error !== undefined || /\bjson\b/.test(error.headers?.get('content-type') ?? '');
  const foreign = isForeign(status, text, isJson);
  const wait = retryAfterMs(
    {
      'retry-after': error.headers?.get('retry-after') ?? undefined,
      'retry-after-ms': error.headers?.get('retry-after-ms') ?? undefined,
    },
    clock.now(),
  );
  const failure = refusalError(ERRORS, {
    ...refusalOf(error.error, error.message, scrub),
    status,
    isForeign: foreign,
    isCreation,
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  });
  return status === 404 && !foreign ? new NotFound(failure.reason, failure) : failure;
}

/** The error in an answer of status 200; undefined without one. */
export function hiddenError(answer: unknown, scrub: Scrub): UpstreamError | undefined {
  if (typeof answer !== 'object' || answer === null || !('error' in answer)) return undefined;
  const error = answer.error ?? undefined;
  return error === undefined ? undefined : refusalError(ERRORS, refusalOf(error, '', scrub));
}

function refusalOf(body: unknown, words: string, scrub: Scrub): UpstreamRefusal {
  const { data: detailed } = Detailed.safeParse(body);
  const { message = scrub(words), ...said } = errorSaid(detailed ? detailed.detail : body, scrub);
  return { ...said, message: withoutKeys(message).slice(0, MESSAGE_LENGTH) };
}

/** OpenAI repeats the first and last characters of a wrong key, which is enough to recognise the key. */
const withoutKeys = (text: string): string =>
  text.replace(/(API key provided: )\S+/gi, '$1[secret]').replace(/\bsk-[\w*-]+/g, '[secret]');
