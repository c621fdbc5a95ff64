import type { Readable } from 'node:stream';
import type { Cluster } from '../cluster/cluster.ts';
import type { AccountShares } from '../limits/limits.ts';
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
import type { Feed } from './events/feed.ts';
import type { PollScheduler, TypicalTime } from './stages/pollScheduler.ts';

/** What the engine needs to know of a task's model; the catalogue tells. */
export interface ModelFacts {
  readonly typical: TypicalTime;
}

/** The engine's settings. Times in milliseconds. */
export interface EngineSettings {
  /** From acceptance to `expired`. */
  readonly taskDeadlineMs: number;
  /** Tries at an upstream that refuses for a while, before the task fails with that reason. */
  readonly maxAttempts: number;
  /** Submit again where the outcome of a submission cannot be established: a video more, perhaps a bill more. */
  readonly resubmitUnknown: boolean;
  /** One call upstream. */
  readonly callTimeoutMs: number;
  /** Videos fetched at a time from one account. */
  readonly downloadConcurrency: number;
  /** The most bytes that a fetched video may have; by what was asked for unless told. */
  readonly maxVideoBytes?: number | undefined;
  /** How long a finished video is kept. */
  readonly retentionMs: number;
  /** Time between two stored files that are compared with their digest; 0: none is. */
  readonly scrubIntervalMs: number;
  /** How long a result may take to be fetched before it counts as lost. */
  readonly downloadPatienceMs: number;
}

/** Looks at a fetched file. What it throws is trouble of this machine, and says nothing about the file. */
export interface VideoInspector {
  probe(path: string): Promise<ProbeVerdict>;
  /** Writes the video of another container as an MP4, without encoding anything anew. The same bytes always give the same. */
  remux(path: string, outPath: string): Promise<RemuxVerdict>;
  /** Hex SHA-256. */
  digest(path: string): Promise<string>;
  /** Makes a poster frame, a JPEG, and lends it as a file until `use` has ended. */
  poster(videoPath: string, use: (posterPath: string) => Promise<void>): Promise<void>;
}

/** Everything the engine is made of, passed in. */
export interface EngineParts {
  readonly store: Store;
  readonly cluster: Cluster;
  readonly storage: MediaStorage;
  readonly inspector: VideoInspector;
  readonly openInput: (input: InputRef) => Promise<Readable>;
  readonly accounts: readonly Account[];
  readonly facts: (task: Task) => ModelFacts;
  /** Whether an account serves the task's model. */
  readonly servedBy: (account: Account, task: Task) => boolean;
  /** What the account calls the model that serves the task. */
  readonly upstreamModel: (account: Account, task: Task) => string;
  /** The task's request with every value one that the upstream takes; undefined where its model has left the catalogue. */
  readonly upstreamRequest: (task: Task) => VideoRequest | undefined;
  /** Micro-units for a second of what was delivered, where that has a price of its own; undefined: that of what was asked for. */
  readonly deliveredRate: (
    task: Task,
    delivered: { readonly width: number; readonly height: number; readonly audio: boolean },
  ) => number | undefined;
  /** How the limits of accounts are shared with other nodes; everything is this node's unless told. */
  readonly shares?: AccountShares;
  /** For what is stored and shown; what is waited for is measured by the timers. */
  readonly clock: Clock;
  readonly timers: Timers;
  readonly feed: Feed;
  readonly scheduler: PollScheduler;
  readonly log: Log;
  readonly settings: EngineSettings;
}
