import type { Move } from './lifecycle.ts';
import type { Attempt, Phase } from './task.ts';

/**
 * A place is a job in flight at an upstream account. It belongs to an attempt: from its intent until the upstream has ended the job, or
 * until a bound has passed if the end was not learnt.
 */
export interface PlaceChange {
  readonly accountId: string;
  /**
   * - `linger`: the task failed, but the upstream may still count the job. The place stays taken until the attempt's `placeUntil`.
   * - `free_lingering`: a lingering place is free now, if it was not before.
   */
  readonly change: 'take' | 'free' | 'linger' | 'free_lingering';
}

/** What a move does to the place of its attempt; undefined if nothing. */
export function placeChange({ at, from, task: { phase, attempt } }: Move): PlaceChange | undefined {
  if (!attempt) return undefined;
  const change = changeOf(from.phase, phase, attempt, at);
  return change && { accountId: attempt.accountId, change };
}

function changeOf(
  from: Phase,
  to: Phase,
  { placeUntil }: Attempt,
  at: number,
): PlaceChange['change'] | undefined {
  if (isUpstream(from) && isUpstream(to)) return undefined;
  if (isUpstream(to)) return 'take';
  if (isUpstream(from)) return placeUntil === undefined ? 'free' : 'linger';
  return from === 'failed' && placeUntil !== undefined && placeUntil <= at ? 'free_lingering' : undefined;
}

/** Whether an attempt occupies a place: its job is in flight, or may be. */
export const occupiesPlace = ({ outcome, upstreamResult, placeUntil }: Attempt): boolean =>
  placeUntil !== undefined || (outcome === undefined && upstreamResult === undefined);

const isUpstream = (phase: Phase): boolean => phase === 'submitting' || phase === 'running';
