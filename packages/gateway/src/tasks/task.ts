import type { TaskError } from './reasons.ts';
import type { VideoRequest } from './request.ts';

/** The stored phases in the order of a task's life. */
export const PHASES = ['accepted', 'submitting', 'running', 'storing', 'succeeded', 'failed'] as const;
export type Phase = (typeof PHASES)[number];

/** The public status. No other value appears on the wire. */
export type Status = 'queued' | 'in_progress' | 'succeeded' | 'failed';

/** A task as stored. Times are integer milliseconds UTC, money is integer micro-units of `currency`. */
export interface Task {
  /** `video_` and the 32 hex digits of a UUIDv7. */
  readonly id: string;
  readonly projectId: string;
  readonly keyId: string;
  readonly request: VideoRequest;
  readonly phase: Phase;
  /** Incremented by every transition. Each write is a compare-and-set on phase, version and owner. */
  readonly version: number;
  /** The node that drives the task. */
  readonly owner: string;
  readonly createdAt: number;
  /** When the upstream began to work on the job: as it told, else when this gateway learnt of it. */
  readonly startedAt?: number;
  /** When the task ended here: its video was stored, or it failed. */
  readonly completedAt?: number;
  /** An unfinished task fails as expired after this time, following a last poll. */
  readonly deadlineAt: number;
  /** When the caller asked to cancel a task that could not be cancelled immediately. */
  readonly cancelRequestedAt?: number;
  readonly price: Price;
  readonly attempt?: Attempt;
  readonly result?: TaskResult;
  readonly error?: TaskError;
  readonly deletedAt?: number;
}

/** The price of a task, fixed when it is accepted. */
export interface Price {
  readonly currency: string;
  readonly microsPerSecond: number;
  /** The amount held, which is the maximum cost: that of a video of the full requested duration. */
  readonly holdMicros: number;
}

export type AttemptOutcome =
  | 'refused'
  | 'unknown'
  | 'succeeded'
  | 'failed'
  | 'cancelled'
  | 'expired'
  /** Finished upstream after the task had been failed as expired. */
  | 'late';

/** A submission to an upstream account. Polls, downloads and cancellation use this account only. */
export interface Attempt {
  /** 1 for the first. */
  readonly number: number;
  /** The account that the attempt was made with. */
  readonly accountId: string;
  /** Sent upstream if the provider supports idempotency keys. Also used to find the job if the outcome of the submission is unknown. */
  readonly idempotencyKey: string;
  readonly upstreamModel: string;
  readonly intendedAt: number;
  /** `intendedAt` by the upstream's clock, if known, to compare with the times in the upstream's list. */
  readonly intendedThereAt?: number;
  readonly upstreamId?: string;
  readonly submittedAt?: number;
  /** When the upstream ended the job, which may be before its outcome is stored: as it told, else when the outcome was stored. */
  readonly endedAt?: number;
  readonly outcome?: AttemptOutcome;
  /** The upstream's own message, truncated, for the operator only. */
  readonly detail?: string;
  /** Where the upstream keeps the finished video. */
  readonly upstreamResult?: UpstreamResult;
  /**
   * The attempt ended for us, but not for certain upstream: it occupies its place of the account until then. Milliseconds UTC. Missing once
   * the place is free.
   */
  readonly placeUntil?: number;
}

/** What an adapter needs to fetch a finished video. Opaque to the engine, and stored with the attempt. */
export interface UpstreamResult {
  /** A reference in the adapter's own format, such as a URL or a file name. Never shown to a caller. */
  readonly ref: string;
  /** Milliseconds UTC after which the upstream deletes it. */
  readonly expiresAt?: number;
  /** Duration in seconds, if the upstream reports it. */
  readonly duration?: number;
}

/** A finished video in our storage. */
export interface TaskResult {
  readonly videoId: string;
  readonly posterId?: string;
  readonly bytes: number;
  /** Hex SHA-256 of the bytes. */
  readonly sha256: string;
  /** Seconds, measured in the file. */
  readonly duration: number;
  readonly width: number;
  readonly height: number;
  readonly videoCodec: string;
  readonly audioCodec?: string;
  /** Milliseconds UTC after which the bytes are deleted. */
  readonly expiresAt: number;
  readonly costMicros: number;
}

export const isTerminal = (phase: Phase): boolean => phase === 'succeeded' || phase === 'failed';

/** When the upstream was done with a task that is over, as far as it told; else when the task ended here. Milliseconds UTC. */
export function doneAt({ attempt, completedAt }: Pick<Task, 'attempt' | 'completedAt'>): number | undefined {
  // The upstream was never at work on a task whose last attempt it had refused.
  if (completedAt === undefined || !attempt || attempt.outcome === 'refused') return completedAt;
  return attempt.endedAt ?? completedAt;
}

/** The public status of a task. */
export function statusOf(task: Pick<Task, 'phase' | 'startedAt'>): Status {
  switch (task.phase) {
    case 'accepted':
    case 'submitting':
      return 'queued';
    case 'running':
      return task.startedAt === undefined ? 'queued' : 'in_progress';
    case 'storing':
      return 'in_progress';
    case 'succeeded':
    case 'failed':
      return task.phase;
  }
}
