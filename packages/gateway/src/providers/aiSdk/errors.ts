import { lostCall } from '../http/lostCall.ts';
import { retryAfterMs } from '../http/retryAfter.ts';
import { excerpt, type Scrub } from '../http/secrets.ts';
import {
  CHECK_ADDRESS,
  type ErrorRow,
  failureWords,
  isForeign,
  refusalError,
  type UpstreamRefusal,
} from '../mapping/errorTable.ts';
import { isObject } from '../mapping/jsonPath.ts';
import { type Answer, UpstreamError } from '../provider.ts';
import type { PackageRow } from './packageRow.ts';
import { isOk, type RecordingFetch, type WireAnswer } from './recordingFetch.ts';

/** Failures that all packages share. They are recognised by the message, in a task or in a refusal. */
const COMMON_ERRORS: readonly ErrorRow[] = [
  {
    message:
      /content[ _-]?polic|moderat|nsfw|sensitive content|flagged|safety (?:filter|system|polic)|prohibited/i,
    reason: 'content_rejected',
  },
  { message: /insufficient (?:balance|credit|funds)|quota exceeded/i, reason: 'quota_exhausted' },
  { status: [300, 399], reason: 'upstream_unavailable' },
];

/** Further failures of jobs. */
const ENDINGS: readonly ErrorRow[] = [
  { message: /\bexpired\b/i, reason: 'expired' },
  { message: /\bwas cancell?ed\b/i, reason: 'cancelled' },
];

/** AI SDK packages throw this, each in its own words, if a job is done but its answer names no video. */
const WITHOUT_VIDEO = /no video (?:url|data|was)/i;

interface Situation {
  readonly recording: RecordingFetch;
  readonly row: PackageRow;
  readonly scrub: Scrub;
  /** Milliseconds UTC. */
  readonly now: number;
}

/** The error of a start in which a package threw. Only the status of a refusal proves that no job was created. */
export function startError(error: unknown, { recording, row, scrub, now }: Situation): UpstreamError {
  const failure = recording.failure();
  const message = scrub(wordsOfError(error));
  if (recording.mayHaveCreated()) return new UpstreamError('upstream_unavailable', { detail: message });
  if (failure !== undefined)
    return failure instanceof UpstreamError ? failure : lostCall(failure, scrub, CHECK_ADDRESS);
  const answer = recording.answer();
  if (!answer) {
    return new UpstreamError('invalid_request', { created: 'no', detail: message });
  }
  if (isOk(answer)) {
    const advice = typeof answer.body === 'string' ? `, ${CHECK_ADDRESS}` : '';
    return new UpstreamError('upstream_unavailable', { detail: `${message}${advice}` });
  }
  return refused(answer, row, scrub, now, true);
}

/** The meaning of an error that a package threw during a poll: an answer if the service gave one, otherwise this throws. */
export function askFailure(error: unknown, situation: Situation): Answer {
  const { recording, row, scrub, now } = situation;
  const failure = recording.failure();
  if (failure !== undefined)
    throw failure instanceof UpstreamError ? failure : lostCall(failure, scrub, CHECK_ADDRESS);
  const answer = recording.answer();
  const message = scrub(wordsOfError(error));
  if (answer?.status === 404 && !foreign(answer)) return { state: 'missing', detail: message };
  if (answer && !isOk(answer)) throw refused(answer, row, scrub, now);
  if (answer && WITHOUT_VIDEO.test(message)) return doneWithoutVideo(message);
  throw new UpstreamError('upstream_unavailable', { detail: message });
}

/** The answer for a job that a package reports as failed. If the service itself did not say so, this is treated as a failed poll. */
export function failedAnswer(words: string, situation: Situation): Answer {
  const { recording, row, scrub } = situation;
  const answer = recording.answer();
  const errors = [...row.errors, ...COMMON_ERRORS, ...ENDINGS];
  if (row.isVerdict) {
    if (!answer || !row.isVerdict(answer.body)) return askFailure(new Error(words), situation);
    // A 4xx means that the request was at fault. A 5xx for a job that is over means that the service was.
    const status = answer.status < 500 ? { status: answer.status } : {};
    return { state: 'failed', ...failureWords(errors, { ...refusalOf(answer.body, scrub), ...status }) };
  }
  if (!answer || !isOk(answer) || !isObject(answer.body)) return askFailure(new Error(words), situation);
  const { code } = refusalOf(answer.body, scrub);
  const refusal = { message: scrub(words), ...(code === undefined ? {} : { code }) };
  return { state: 'failed', ...failureWords(errors, refusal) };
}

export const doneWithoutVideo = (detail: string): Answer => ({
  state: 'failed',
  reason: 'upstream_failed',
  message: 'The upstream provider finished the task without a video.',
  detail,
});

function refused(
  answer: WireAnswer,
  row: PackageRow,
  scrub: Scrub,
  now: number,
  isCreation = false,
): UpstreamError {
  const wait = retryAfterMs(answer.headers, now);
  return refusalError([...row.errors, ...COMMON_ERRORS], {
    ...refusalOf(answer.body, scrub),
    status: answer.status,
    isForeign: foreign(answer),
    isCreation,
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  });
}

/** Whether another server has answered. A body that is not JSON is text. */
const foreign = ({ status, body }: WireAnswer): boolean =>
  isForeign(status, typeof body === 'string' ? body : '', typeof body !== 'string');

/**
 * Reads an error body in the forms that the services use: `{error: {code, type, message}}` (xAI, MiniMax),
 * `{code, error: "…"}` (xAI), `{title, detail, status}` (Replicate), `{detail: [{type, msg}]}` or `{detail, error_type}` (fal).
 */
function refusalOf(body: unknown, scrub: Scrub): UpstreamRefusal {
  if (!isObject(body)) return typeof body === 'string' ? { message: excerpt(body, scrub) } : {};
  const { error, detail } = body;
  const inner = isObject(error) ? error : Array.isArray(detail) && isObject(detail[0]) ? detail[0] : {};
  const code = firstText(inner.code, inner.type, body.error_type, body.code, body.title);
  const message = firstText(inner.message, inner.msg, error, detail, body.message);
  return {
    ...(code === undefined ? {} : { code }),
    ...(message === undefined ? {} : { message: scrub(message) }),
  };
}

const firstText = (...values: readonly unknown[]): string | undefined =>
  values.find((value): value is string => typeof value === 'string' && value !== '');

const wordsOfError = (error: unknown): string => (error instanceof Error ? error.message : String(error));
