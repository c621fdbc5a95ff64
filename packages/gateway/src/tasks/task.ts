import type { TaskError } from './reasons.ts';
import type { VideoRequest } from './request.ts';

/** Stored phases, in the order of a task's life (DESIGN.md, "A task's life"). */
export const PHASES = ['accepted', 'submitting', 'running', 'storing', 'succeeded', 'failed'] as const;
export type Phase = (typeof PHASES)[number];

/** The four public words; no other ever appears on the wire. */
export type Status = 'queued' | 'in_progress' | 'succeeded' | 'failed';

/** A task as stored. Times are integer milliseconds UTC, money is integer micro-units of `currency`. */
export interface Task {
  /** `video_` and the 32 hex digits of a UUIDv7. */
  readonly id: string;
  readonly projectId: string;
  readonly keyId: string;
  readonly request: VideoRequest;
  readonly phase: Phase;
  /** Grows by one with every transition; each write is a compare-and-set on (phase, version). */
  readonly version: number;
  /** The node that drives the task. */
  readonly owner: string;
  readonly createdAt: number;
  /** When the upstream began to work, as far as it tells. */
  readonly startedAt?: number;
  readonly completedAt?: number;
  /** After this the task is failed as expired (after a last look upstream). */
  readonly deadlineAt: number;
  /** A caller asked to cancel while the outcome could not be settled at once. */
  readonly cancelRequestedAt?: number;
  readonly price: Price;
  readonly attempt?: Attempt;
  readonly result?: TaskResult;
  readonly error?: TaskError;
  readonly deletedAt?: number;
}

/** The price frozen on the task when it was accepted. */
export interface Price {
  readonly currency: string;
  readonly microsPerSecond: number;
  /** The upper bound held: what a video of the full duration asked for costs. */
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

/** One try at one upstream account. Poll, download and cancel use this account and nothing else. */
export interface Attempt {
  /** 1 for the first. */
  readonly number: number;
  /** The very credential the attempt was made with. */
  readonly accountId: string;
  /** Sent upstream where it is honoured, and the name to look for when a submission's outcome is unknown. */
  readonly idempotencyKey: string;
  readonly upstreamModel: string;
  readonly intendedAt: number;
  /** The same by the upstream's own clock, where it was known: what its list is compared with. */
  readonly intendedThereAt?: number;
  readonly upstreamId?: string;
  readonly submittedAt?: number;
  readonly endedAt?: number;
  readonly outcome?: AttemptOutcome;
  /** The upstream's own words, bounded, for the operator alone. */
  readonly detail?: string;
  /** Where the finished bytes are upstream, in the adapter's own terms (JSON). */
  readonly upstreamResult?: UpstreamResult;
}

/** What an adapter needs to fetch a finished video: opaque to the engine, stored with the attempt. */
export interface UpstreamResult {
  /** Adapter's own reference: a URL, a file name, an operation. Never shown to a caller. */
  readonly ref: string;
  /** Milliseconds UTC after which the upstream no longer has it. */
  readonly expiresAt?: number;
  /** Seconds of video, where the upstream says so. */
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

/** The public word for a stored phase (DESIGN.md, "A task's life"). */
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
