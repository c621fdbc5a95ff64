import type { Readable } from 'node:stream';
import type { Cluster } from '../cluster/cluster.ts';
import type { Limits } from '../limits/limits.ts';
import type { FollowedFile } from '../media/digest/digester.ts';
import type { ProbeVerdict } from '../media/inspect/probe.job.ts';
import type { RemuxVerdict } from '../media/inspect/remux.job.ts';
import type { MediaStorage } from '../media/media.ts';
import type { Log } from '../observability/log.ts';
import type { Account } from '../providers/account.ts';
import type { Job } from '../providers/provider.ts';
import type { Store } from '../store/store.ts';
import type { StoredInput } from '../tasks/request.ts';
import type { Rate, Task } from '../tasks/task.ts';
import type { Clock } from '../time/clock.ts';
import type { Timers } from '../time/timers.ts';
import type { Prior } from '../tracking/prior.ts';
import type { Feed } from './events/feed.ts';
import type { Tracker } from './tracking/tracker.ts';

/** The engine's settings. Times in milliseconds. */
export interface EngineSettings {
  /** From acceptance to `expired`. */
  readonly taskDeadlineMs: number;
  /** Attempts at an upstream that keeps refusing temporarily, before the task fails with that reason. */
  readonly maxAttempts: number;
  /** Submit again if the outcome of a submission cannot be established. This may create, and bill, a second video. */
  readonly resubmitUnknown: boolean;
  /** Timeout of one upstream call. */
  readonly callTimeoutMs: number;
  /** Videos fetched concurrently from one account. */
  readonly downloadConcurrency: number;
  /** Maximum size of a fetched video in bytes. By default it is derived from the request. */
  readonly maxVideoBytes?: number | undefined;
  /** How long a finished video is kept. */
  readonly retentionMs: number;
  /** How long events of tasks are kept. */
  readonly eventRetentionMs: number;
  /** How long tasks are kept after their end; 0: for ever. */
  readonly taskRetentionMs: number;
  /** How long the ledger has rows of its own for a task that has ended; 0: as long as the task. */
  readonly ledgerRetentionMs: number;
  /** How long webhook deliveries are kept; 0: as long as their event. */
  readonly deliveryRetentionMs: number;
  /** How long rows of the audit log are kept; 0: for ever. */
  readonly auditRetentionMs: number;
  /** Interval between two stored files whose digest is verified; 0 disables the verification. */
  readonly scrubIntervalMs: number;
  /** How long fetching a result is retried before the result counts as lost. */
  readonly downloadPatienceMs: number;
}

/** Inspects a fetched file. It throws for problems of this machine only; a bad file is a verdict. */
export interface VideoInspector {
  /** Makes sure that an inspection in the next minute begins at once. */
  prepare(): Promise<void>;
  probe(path: string): Promise<ProbeVerdict>;
  /** Copies the streams of a video in another container into an MP4, without re-encoding. Deterministic: equal input gives equal output. */
  remux(path: string, outPath: string): Promise<RemuxVerdict>;
  /** Hex SHA-256. */
  digest(path: string): Promise<string>;
  /** Begins to hash a file that is being written. */
  follow(path: string): FollowedFile;
  /** Extracts a poster frame as a JPEG file. The file exists until `use` has ended. */
  poster(videoPath: string, use: (posterPath: string) => Promise<void>): Promise<void>;
}

/** The dependencies of the engine. */
export interface EngineParts {
  readonly store: Store;
  readonly cluster: Cluster;
  readonly storage: MediaStorage;
  readonly inspector: VideoInspector;
  readonly openInput: (input: StoredInput) => Promise<Readable>;
  /** See `Job.linkTo`. */
  readonly linkTo?: (input: StoredInput) => string;
  /** Members of fleets may be added while the engine runs. */
  readonly accounts: readonly Account[];
  /** Opens the member of a fleet that had this server when a job was submitted to it, although it is not configured here. Undefined if its fleet is not. */
  readonly openFormer?: (id: string, server: string) => Promise<Account | undefined>;
  /** How long the task's model usually takes. */
  readonly typicalTime: (task: Task) => Prior;
  /** Whether an account serves the task's model. */
  readonly servedBy: (account: Account, task: Task) => boolean;
  /** When the account ceases to serve the task's model: milliseconds UTC, or infinity. Undefined if it never served it. */
  readonly servedUntil: (account: Account, task: Task) => number | undefined;
  /** What the account calls the model that serves the task. */
  readonly upstreamModel: (account: Account, task: Task) => string;
  /** The task's request with all values mapped to ones that the upstream accepts; undefined if its model is no longer in the catalogue. */
  readonly upstreamRequest: (task: Task) => Job['request'] | undefined;
  /** The rate of what was delivered, at the service that made it; undefined if the price of the task applies. What the upstream reported of its bill is in the attempt. */
  readonly deliveredRate: (
    task: Task,
    delivered: {
      readonly width: number;
      readonly height: number;
      readonly audio: boolean;
      readonly seconds: number;
    },
  ) => Rate | undefined;
  /** The limits of accounts. By default the engine opens them. */
  readonly limits?: Limits;
  /** When jobs are polled. By default the engine learns it. */
  readonly tracker?: Tracker;
  /** For times that are stored or shown. Durations are measured by `timers`. */
  readonly clock: Clock;
  readonly timers: Timers;
  readonly feed: Feed;
  readonly log: Log;
  readonly settings: EngineSettings;
}
