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

/** What a video costs, in micro-units. */
export interface Rate {
  readonly microsPerSecond: number;
  /** Added once, whatever the duration. Default: 0. */
  readonly microsPerVideo?: number;
}

/** The price of a task, fixed when it is accepted: the highest rate of the services that may serve it. */
export interface Price extends Rate {
  readonly currency: string;
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
  /** Its server, one of a fleet, was silent for too long, or does not know the job any more. */
  | 'lost'
  /** Finished upstream after the task had been failed as expired. */
  | 'late';

/** A submission to an upstream account. Polls, downloads and cancellation use this account only. */
export interface Attempt {
  /** 1 for the first. */
  readonly number: number;
  /** The account that the attempt was made with. */
  readonly accountId: string;
  /** The base URL of the account's server, if it is a member of a fleet: the job is finished there even if the member is removed. */
  readonly server?: string;
  /** Sent upstream if the provider supports idempotency keys. Also used to find the job if the outcome of the submission is unknown. */
  readonly idempotencyKey: string;
  readonly upstreamModel: string;
  /** `Provider.findVersion` when the attempt was made. */
  readonly findVersion?: string;
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
  /** The upstream's own id of the video, if it is another than that of the job and a later request may start from it. */
  readonly id?: string;
  /** Milliseconds UTC after which the upstream deletes it. */
  readonly expiresAt?: number;
  /** Duration in seconds, if the upstream reports it. */
  readonly duration?: number;
  readonly usage?: UpstreamUsage;
}

/** What an upstream reports that it bills for a video. */
export interface UpstreamUsage {
  readonly tokens?: number;
  /** Seconds of the reference videos. */
  readonly inputSeconds?: number;
}

/** Whether a file has content credentials (C2PA). `broken`: the upstream's file had some, which the stored one could not keep. */
export const CONTENT_CREDENTIALS = ['present', 'absent', 'broken'] as const;
export type ContentCredentials = (typeof CONTENT_CREDENTIALS)[number];

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
  /** Unknown of videos that were stored by an earlier version. */
  readonly contentCredentials?: ContentCredentials;
  /** Milliseconds UTC after which the bytes are deleted. */
  readonly expiresAt: number;
  readonly costMicros: number;
}

export const isTerminal = (phase: Phase): boolean => phase === 'succeeded' || phase === 'failed';

/** When the upstream was done with a task that is over, as far as it told; else when the task ended here. Milliseconds UTC. */
export function doneAt({
  attempt,
  completedAt,
}: {
  readonly attempt?: Pick<Attempt, 'outcome' | 'endedAt'>;
  readonly completedAt?: number;
}): number | undefined {
  // The upstream was never at work on a task whose last attempt it had refused.
  if (completedAt === undefined || !attempt || attempt.outcome === 'refused') return completedAt;
  return attempt.endedAt ?? completedAt;
}

/** When the upstream began to work on the job of the latest attempt. One that was lost may have begun before. */
export const jobStartedAt = ({ attempt, startedAt = 0 }: Task): number | undefined =>
  attempt && startedAt >= attempt.intendedAt ? startedAt : undefined;

/** The public status of a task. */
export function statusOf(task: Pick<Task, 'phase' | 'startedAt'>): Status {
  switch (task.phase) {
    case 'accepted':
    case 'submitting':
    case 'running':
      // A task whose job was lost stays in progress while it waits for another one: a status never goes back.
      return task.startedAt === undefined ? 'queued' : 'in_progress';
    case 'storing':
      return 'in_progress';
    case 'succeeded':
    case 'failed':
      return task.phase;
  }
}
