import type { Readable } from 'node:stream';
import type { Cluster } from '../cluster/cluster.ts';
import type { Limits } from '../limits/limits.ts';
import type { ProbeVerdict } from '../media/inspect/probe.job.ts';
import type { RemuxVerdict } from '../media/inspect/remux.job.ts';
import type { MediaStorage } from '../media/media.ts';
import type { Log } from '../observability/log.ts';
import type { Account } from '../providers/account.ts';
import type { Store } from '../store/store.ts';
import type { InputRef, VideoRequest } from '../tasks/request.ts';
import type { Task } from '../tasks/task.ts';
import type { Clock } from '../time/clock.ts';
import type { Timers } from '../time/timers.ts';
import type { Prior } from '../tracking/estimate.ts';
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
  /** Interval between two stored files whose digest is verified; 0 disables the verification. */
  readonly scrubIntervalMs: number;
  /** How long fetching a result is retried before the result counts as lost. */
  readonly downloadPatienceMs: number;
}

/** Inspects a fetched file. It throws for problems of this machine only; a bad file is a verdict. */
export interface VideoInspector {
  probe(path: string): Promise<ProbeVerdict>;
  /** Copies the streams of a video in another container into an MP4, without re-encoding. Deterministic: equal input gives equal output. */
  remux(path: string, outPath: string): Promise<RemuxVerdict>;
  /** Hex SHA-256. */
  digest(path: string): Promise<string>;
  /** Extracts a poster frame as a JPEG file. The file exists until `use` has ended. */
  poster(videoPath: string, use: (posterPath: string) => Promise<void>): Promise<void>;
}

/** The dependencies of the engine. */
export interface EngineParts {
  readonly store: Store;
  readonly cluster: Cluster;
  readonly storage: MediaStorage;
  readonly inspector: VideoInspector;
  readonly openInput: (input: InputRef) => Promise<Readable>;
  readonly accounts: readonly Account[];
  /** How long the task's model usually takes. */
  readonly typicalTime: (task: Task) => Prior;
  /** Whether an account serves the task's model. */
  readonly servedBy: (account: Account, task: Task) => boolean;
  /** What the account calls the model that serves the task. */
  readonly upstreamModel: (account: Account, task: Task) => string;
  /** The task's request with all values mapped to ones that the upstream accepts; undefined if its model is no longer in the catalogue. */
  readonly upstreamRequest: (task: Task) => VideoRequest | undefined;
  /** Price per second of the delivered format in micro-units; undefined if the price of the requested format applies. */
  readonly deliveredRate: (
    task: Task,
    delivered: { readonly width: number; readonly height: number; readonly audio: boolean },
  ) => number | undefined;
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
