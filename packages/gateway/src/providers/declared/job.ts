import type { Log } from '../../observability/log.ts';
import type { UpstreamResult } from '../../tasks/task.ts';
import { excerpt, type Scrub } from '../http/secrets.ts';
import { failureWords } from '../mapping/errorTable.ts';
import type { StatusReader } from '../mapping/statusTable.ts';
import { type Answer, UpstreamError, type UpstreamTimes } from '../provider.ts';
import { type Errors, textOf } from './errors.ts';
import type { Expression } from './expressions.ts';
import { isId } from './id.ts';
import type { ProviderFile } from './schema.ts';

type JobClause = ProviderFile['job'];

/** The reference of a result that is asked for again whenever it is opened. */
const ASKED_AGAIN = 'asked-again';

/** A job that succeeded, whose answer has no video. */
export class NoVideo extends UpstreamError {}

interface JobParts {
  readonly clause: JobClause;
  readonly errors: Errors;
  readonly meaningOf: StatusReader;
  readonly scrub: Scrub;
  readonly log: Pick<Log, 'error'>;
}

/** Reads what the upstream says of a job. `upstreamId` is for the log. Throws if an expression that decides about the job fails. */
export type ReadJob = (job: unknown, upstreamId: string) => Promise<Answer>;

export function createReadJob({ clause, errors, meaningOf, scrub, log }: JobParts): ReadJob {
  let isReported = false;

  async function failure(job: unknown, without: string) {
    const [code, message] = await Promise.all([
      textOf(clause.error.code, job),
      textOf(clause.error.message, job),
    ]);
    const words = failureWords(errors.table, {
      ...(code === undefined ? {} : { code }),
      ...(message === undefined ? {} : { message: scrub(message) }),
    });
    // The file may not say where this error is.
    const detail = words.detail || `${without}: ${excerpt(JSON.stringify(job), scrub)}`;
    return { state: 'failed', ...words, detail } as const;
  }

  const hasError = async (job: unknown): Promise<boolean> =>
    Boolean((await textOf(clause.error.code, job)) || (await textOf(clause.error.message, job)));

  /** The video is paid for, so the job is asked again: its link may come later, or the operator mends the file. */
  function withoutVideo(job: unknown, upstreamId: string): UpstreamError {
    const detail = `succeeded without a video: ${excerpt(JSON.stringify(job), scrub)}`;
    if (!isReported) {
      isReported = true;
      log.error(
        { event: 'upstream.no_video', upstreamId, detail },
        'a job succeeded, and job.result of the file of its provider finds no video in the answer; it is asked again until its task expires',
      );
    }
    return new NoVideo('upstream_unavailable', { detail });
  }

  async function underWay(state: 'queued' | 'in_progress', job: unknown): Promise<Answer> {
    const [progress, position, times] = await Promise.all([
      numberOf(clause.progress, job),
      numberOf(clause.queue_position, job),
      timesOf(clause, job),
    ]);
    return {
      state,
      ...(progress === undefined ? {} : { progress: Math.min(100, Math.max(0, progress)) }),
      ...(position === undefined || position < 0 ? {} : { queuePosition: position }),
      ...(times.startedAt === undefined ? {} : { startedAt: times.startedAt }),
    };
  }

  return async (job, upstreamId) => {
    const word = await clause.status.evaluate(job);
    // Without a status nothing is known of the job, and it is polled again.
    if (typeof word !== 'string' && typeof word !== 'number')
      throw new Error(`=${clause.status.text} gave no status`);
    const meaning = meaningOf(String(word), upstreamId);
    switch (meaning) {
      case 'queued':
      case 'in_progress':
        return underWay(meaning, job);
      case 'succeeded': {
        const result = await resultOf(clause, job);
        const times = await timesOf(clause, job);
        if (result) return { state: 'succeeded', result, ...times };
        if (await hasError(job)) return { ...(await failure(job, 'succeeded without a video')), ...times };
        throw withoutVideo(job, upstreamId);
      }
      case 'failed':
        return { ...(await failure(job, 'failed without an error')), ...(await timesOf(clause, job)) };
      case 'cancelled':
        return { state: 'failed', reason: 'cancelled', message: 'The task was cancelled.' };
      case 'expired':
        return {
          state: 'failed',
          reason: 'expired',
          message: 'The upstream provider did not finish the task in time; submit it again.',
        };
      case 'missing':
        return { state: 'missing' };
    }
  };
}

async function resultOf(
  { result, duration, video_id: videoId }: JobClause,
  job: unknown,
): Promise<UpstreamResult | undefined> {
  const [seconds, id] = await Promise.all([numberOf(duration, job), textOf(videoId, job)]);
  const known = {
    ...(isId(id) ? { id } : {}),
    ...(seconds === undefined || seconds <= 0 ? {} : { duration: seconds }),
  };
  if ('call' in result || 'download' in result) return { ref: ASKED_AGAIN, ...known };
  if ('base64' in result) {
    return (await textOf(result.base64, job)) === undefined ? undefined : { ref: ASKED_AGAIN, ...known };
  }
  const url = await textOf(result.url, job);
  if (!isLink(url) && !isPath(url)) return undefined;
  const expiresAt = await timeOf(result.expires_at, job);
  return { ref: url, ...known, ...(expiresAt === undefined ? {} : { expiresAt }) };
}

/** Whether a result is a path of the API itself. Two slashes at the beginning would name another host. */
export const isPath = (url: string | undefined): url is string => url !== undefined && /^\/(?!\/)/.test(url);

export const isLink = (url: string | undefined): url is string =>
  url !== undefined && /^https?:\/\//i.test(url) && URL.canParse(url);

async function timesOf({ started_at, ended_at }: JobClause, job: unknown): Promise<UpstreamTimes> {
  const [startedAt, endedAt] = await Promise.all([timeOf(started_at, job), timeOf(ended_at, job)]);
  return { ...(startedAt === undefined ? {} : { startedAt }), ...(endedAt === undefined ? {} : { endedAt }) };
}

async function numberOf(expression: Expression | undefined, scope: unknown): Promise<number | undefined> {
  const text = await textOf(expression, scope);
  const value = Number(text ?? Number.NaN);
  return text === '' || !Number.isFinite(value) ? undefined : value;
}

/** A number below this is a time in seconds: it is March 1973 in milliseconds, and the year 5138 in seconds. */
const LEAST_MS = 1e11;

/** No service makes jobs at other times: a date outside stands for none, or has another unit. Milliseconds UTC. */
const SENSIBLE = { from: Date.UTC(2020), to: Date.UTC(2100) };

/** The end of a date that says which moment it is. Without a zone it could be off by most of a day, and an older job be taken for the lost one. */
const ZONE = /(?:Z|UTC|GMT|[+-]\d\d:?\d\d)$/i;

/** Milliseconds UTC of a time in milliseconds or seconds UTC, or by ISO 8601 with a zone; undefined if there is none, or none that can be true. */
export async function timeOf(
  expression: Expression | undefined,
  scope: unknown,
): Promise<number | undefined> {
  const number = await numberOf(expression, scope);
  const text = number === undefined ? ((await textOf(expression, scope)) ?? '') : '';
  const date = ZONE.test(text) ? Date.parse(text) : Number.NaN;
  const ms = number === undefined ? date : number * (number < LEAST_MS ? 1000 : 1);
  return ms >= SENSIBLE.from && ms <= SENSIBLE.to ? ms : undefined;
}
