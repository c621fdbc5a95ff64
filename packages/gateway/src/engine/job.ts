import { isOwnTrouble } from '../providers/http/lostCall.ts';
import type { Handle, Job, Provider, UpstreamTimes } from '../providers/provider.ts';
import { UpstreamError } from '../providers/provider.ts';
import type { WorkTimes } from '../tasks/lifecycle.ts';
import type { Attempt, Task } from '../tasks/task.ts';
import type { Clock } from '../time/clock.ts';
import type { EngineParts } from './parts.ts';

/** The job that an attempt submits upstream. */
export function jobOf(
  task: Task,
  { number, idempotencyKey, upstreamModel }: Attempt,
  { upstreamRequest, openInput, linkTo }: Pick<EngineParts, 'upstreamRequest' | 'openInput' | 'linkTo'>,
): Job {
  const request = upstreamRequest(task) ?? task.request;
  return {
    taskId: task.id,
    attempt: number,
    idempotencyKey,
    upstreamModel,
    request,
    openInput,
    ...(linkTo ? { linkTo } : {}),
  };
}

/** Names the job of an attempt upstream; undefined before the upstream has answered with an id. */
export function handleOf(attempt: Attempt | undefined): Handle | undefined {
  if (attempt?.upstreamId === undefined) return undefined;
  const { upstreamId, upstreamModel, idempotencyKey, intendedAt } = attempt;
  return { upstreamId, upstreamModel, idempotencyKey, intendedAt };
}

/**
 * The times in an answer by this gateway's clock, from which the upstream's may differ by minutes. Empty if the upstream's clock cannot be
 * read. A provider without a clock of its own uses this one.
 */
export async function workTimes(
  { startedAt, endedAt }: UpstreamTimes,
  { upstreamTime }: Pick<Provider, 'upstreamTime'>,
  clock: Clock,
): Promise<WorkTimes> {
  if (startedAt === undefined && endedAt === undefined) return {};
  const there = upstreamTime ? await upstreamTime().catch(() => undefined) : clock.now();
  if (there === undefined) return {};
  const aheadMs = there - clock.now();
  return {
    ...(startedAt === undefined ? {} : { startedAt: startedAt - aheadMs }),
    ...(endedAt === undefined ? {} : { endedAt: endedAt - aheadMs }),
  };
}

/** Whether a call failed because the upstream did not answer, or was not there. */
export const isSilence = (error: unknown): boolean =>
  error instanceof UpstreamError &&
  !isOwnTrouble(error) &&
  (error.reason === 'upstream_unavailable' || error.reason === 'upstream_timeout');

/** Any other error than an `UpstreamError` is a bug in the adapter or a lost connection: the outcome is unknown. */
export function asUpstreamError(error: unknown): UpstreamError {
  if (error instanceof UpstreamError) return error;
  const timedOut = error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError');
  return new UpstreamError(timedOut ? 'upstream_timeout' : 'upstream_unavailable', {
    created: 'unknown',
    detail: error instanceof Error ? error.message : String(error),
    cause: error,
  });
}
