import type { Log } from '../../observability/log.ts';
import type { UpstreamResult } from '../../tasks/task.ts';
import type { Clock } from '../../time/clock.ts';
import { withPollAfter } from '../http/retryAfter.ts';
import { failureWords, type UpstreamRefusal } from '../mapping/errorTable.ts';
import { createStatusReader, type Meaning, type StatusTable } from '../mapping/statusTable.ts';
import type { Answer, Handle, UpstreamTimes } from '../provider.ts';
import type { TaskAnswer, TaskOutput } from './client.ts';
import { TASK_ERRORS } from './errors.ts';

/** "Asynchronous task management API", `task_status`. */
const STATUSES: StatusTable = {
  PENDING: 'queued',
  RUNNING: 'in_progress',
  SUCCEEDED: 'succeeded',
  FAILED: 'failed',
  CANCELED: 'cancelled',
  // "The task does not exist or its status is unknown". Also the status after the 24 hours for which tasks are kept.
  UNKNOWN: 'missing',
};

/** "task_id: can be queried for 24 hours." */
export const KEPT_MS = 24 * 3_600_000;

/** Reads what DashScope says of a task. */
export interface AnswerReader {
  meaningOf(status: string, id: string): Meaning;
  answerOf(answer: TaskAnswer, handle: Handle): Answer;
}

export function createAnswerReader(log: Pick<Log, 'warn'>, clock: Clock): AnswerReader {
  const meaningOf = createStatusReader(STATUSES, log);
  return {
    meaningOf,
    answerOf({ output, seconds, inputSeconds, pollAfterMs }, handle) {
      const meaning = meaningOf(output.status, handle.upstreamId);
      const times = timesOf(output, handle);
      switch (meaning) {
        case 'queued':
          return withPollAfter({ state: 'queued' }, pollAfterMs);
        case 'in_progress':
          return withPollAfter({ state: 'in_progress', ...times }, pollAfterMs);
        case 'succeeded':
          return output.videoUrl === undefined
            ? { ...failed({ message: 'finished without a video', ...wordsOf(output) }), ...times }
            : { state: 'succeeded', result: resultOf(output.videoUrl, seconds, inputSeconds), ...times };
        case 'failed':
          return { ...failed(wordsOf(output)), ...times };
        case 'cancelled':
          return {
            state: 'failed',
            reason: 'cancelled',
            message: 'The task was cancelled at the upstream provider.',
            ...times,
          };
        case 'missing':
        case 'expired':
          return missing(handle, clock.now());
      }
    },
  };
}

const failed = (words: UpstreamRefusal) => ({
  state: 'failed' as const,
  ...failureWords(TASK_ERRORS, words),
});

function wordsOf({ code, message }: TaskOutput): UpstreamRefusal {
  return { ...(code === undefined ? {} : { code }), ...(message === undefined ? {} : { message }) };
}

/** Beijing time, which has no summer time. All examples of the documents are in it. Milliseconds. */
const BEIJING_MS = 8 * 3_600_000;
/** The offset from UTC of every region is whole hours. Milliseconds. */
const HOUR_MS = 3_600_000;

/**
 * "Asynchronous task management API": `scheduled_time`, when the task began to run, and `end_time`. They have no offset, and no document
 * states their zone. So it is read from `submit_time`, which is close to the time of the submission.
 */
function timesOf({ localTimes }: TaskOutput, { intendedAt }: Handle): UpstreamTimes {
  const { submitted, started, ended } = localTimes;
  const aheadMs =
    submitted === undefined ? BEIJING_MS : Math.round((submitted - intendedAt) / HOUR_MS) * HOUR_MS;
  return {
    ...(started === undefined ? {} : { startedAt: started - aheadMs }),
    ...(ended === undefined ? {} : { endedAt: ended - aheadMs }),
  };
}

/** A lagging replica reports a young task as unknown. An old task is unknown because it was deleted. */
function missing({ intendedAt }: Handle, now: number): Answer {
  if (now - intendedAt <= KEPT_MS) return { state: 'missing', detail: 'UNKNOWN' };
  return {
    state: 'failed',
    reason: 'expired',
    message: 'The upstream provider keeps tasks for 24 hours and has forgotten this one; submit it again.',
    detail: 'UNKNOWN after more than 24 hours',
  };
}

/** The link is signed by OSS and contains its expiry in seconds. */
function resultOf(url: string, seconds?: number, inputSeconds?: number): UpstreamResult {
  const expires = Number(URL.parse(url)?.searchParams.get('Expires') ?? Number.NaN);
  return {
    ref: url,
    ...(expires > 0 ? { expiresAt: expires * 1000 } : {}),
    ...(seconds === undefined ? {} : { duration: seconds }),
    ...(inputSeconds === undefined ? {} : { usage: { inputSeconds } }),
  };
}
