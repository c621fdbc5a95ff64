import type { Readable } from 'node:stream';
import type { UpstreamRequest } from '../catalogue/upstream.ts';
import type { Reason } from '../tasks/reasons.ts';
import { REASONS } from '../tasks/reasons.ts';
import type { StoredInput, VideoRequest } from '../tasks/request.ts';
import type { UpstreamResult } from '../tasks/task.ts';
import { wordsForCaller } from './http/secrets.ts';
import type { Absent } from './search/absent.ts';

/**
 * One upstream account, ready to use. This is all that the engine knows of a provider. An adapter is a factory that returns a
 * plain object of this shape. It keeps no task state: the handle has everything that is needed to continue after a crash. Every
 * method may be called again with the same arguments, and throws only `UpstreamError`.
 */
export interface Provider {
  /**
   * Creates the job upstream. Sends the creation once and never retries it, because a second one may be a second bill. Throws an
   * `UpstreamError` whose `created` says whether the upstream may have the job, or `SendRefused` if `maySend` was false when the
   * creation was about to be sent.
   */
  submit(job: Job, sending: Sending): Promise<Submitted>;

  /**
   * The members of `provider_options` that the adapter would not pass on for this request, or that would replace what it sends itself, as
   * paths in the options. Checked before a request is accepted. Images of the request are not read.
   */
  refusedOptions(
    request: Job['request'],
    upstreamModel: string,
  ): readonly string[] | Promise<readonly string[]>;

  /** Polls one job. A thrown error says nothing about the job, and the engine polls again later. */
  poll(handle: Handle, signal: AbortSignal): Promise<Answer>;

  /** An id that no job has, in the form of the upstream's, if only such ids are sent to it: what a poll says then shows whether the key is refused. */
  readonly nobodysId?: (name: string) => string;

  /**
   * Polls many jobs in one upstream request. Absent if the upstream has no such call. Handles without an answer are left out: the engine
   * polls them again, at last alone. Answers about other jobs of the account, by their upstream ids, are welcome.
   */
  pollMany?(handles: readonly Handle[], signal: AbortSignal): Promise<ReadonlyMap<string, Answer>>;

  /**
   * Chooses from jobs that are due those that the next request is best about, the most urgent first. The engine calls it once for each
   * request. Absent if one request can be about any jobs: then it is about the most urgent ones.
   */
  chooseJobs?(due: readonly DueJob[]): readonly Handle[];

  /**
   * Makes a job that another node started known on this one, so that it can be polled here. Only for jobs that run inside the
   * gateway itself; any node can poll other upstreams.
   */
  resume?(job: Job): Promise<void>;

  /** Opens the finished bytes from `offset` on as a stream, which the caller destroys. May also throw `NotResumable`. */
  open(handle: Handle, result: UpstreamResult, offset: number, signal: AbortSignal): Promise<OpenedResult>;

  /** Tries to stop a job upstream. Absent if the upstream has no such call. */
  cancel?(handle: Handle, signal: AbortSignal): Promise<CancelOutcome>;

  /**
   * Finds a job whose submission has an unknown outcome. Absent if the upstream offers no way to tell. An adapter only reads
   * what its upstream lists. `search/judge.ts` decides what follows from it.
   */
  find?(attempt: UnknownSubmission, signal: AbortSignal): Promise<FindOutcome>;

  /**
   * Names the way in which jobs are made and looked for, if an operator can change it. A search that finds a job which was made in the same way
   * shows that it would find others. Stored with each attempt; see `UnknownSubmission.earlier`.
   */
  readonly findVersion?: string;

  /** Deletes a job upstream once its result is stored here. Best effort. */
  discard?(handle: Handle, signal: AbortSignal): Promise<void>;

  /** Checks that a callback is genuine and returns the ids of the jobs to poll. Throws if it is not genuine. */
  verifyCallback?(callback: Callback): Promise<readonly string[]>;

  /** Calls `listener` with an upstream id when a job may have changed, as a hint to poll it now. Returns the unsubscriber. */
  onHint?(listener: (upstreamId: string) => void): () => void;

  /**
   * The current time by the upstream's own clock, milliseconds UTC; undefined if it does not tell. May ask the upstream, and throws an
   * `UpstreamError` if that does not answer. It tells a lost submission from older jobs, even on a node that never saw the submission, and puts the times of answers into
   * those of this gateway. Absent if the upstream's clock is this gateway's own, or answers have no times.
   */
  upstreamTime?(): Promise<number | undefined>;

  /**
   * Resolves if the server answers anything but that it is not there. Throws an `UpstreamError` otherwise. Asks at once, makes nothing and
   * sends no credentials. For servers of one's own, which may be members of a fleet.
   */
  reach?(): Promise<void>;

  /** Releases connections and child processes. Jobs continue upstream, or the next start resumes them. */
  close(): Promise<void>;
}

/** What an adapter can do in addition to `submit`, `poll` and `open`. The contract suite proves that it has these abilities and no others. */
export interface Abilities {
  /** Which jobs can be stopped upstream: only queued ones, or any that is not over. */
  readonly cancel: 'none' | 'queued' | 'any';
  /**
   * Finding a lost submission. `absent`: it is never recognised, but known to be absent after a while if no job could be it. `unique`: it is
   * found if no other job could be it, and is never known to be absent. `full`: it is found or, after a while, known to be absent.
   */
  readonly find: 'none' | 'absent' | 'unique' | 'full';
  /** Downloads can start at any offset. Otherwise they start over. */
  readonly resumeDownload: boolean;
  /** Polling many jobs takes fewer requests than jobs. */
  readonly batchPolling: boolean;
  /** Callbacks of the upstream are verified, if the account is set up for them. */
  readonly callbacks: boolean;
  /** The adapter itself says when a job may have changed. */
  readonly hints: boolean;
  /** Answers about running jobs include a percentage. */
  readonly progress: boolean;
  /** Answers about waiting jobs include their place in the queue. */
  readonly queuePosition: boolean;
  /** Answers about running jobs include when work on them began. */
  readonly startedAt: boolean;
  /** Answers about jobs that succeeded include when they were over. */
  readonly endedAt: boolean;
  /** Answers about unfinished jobs pass on when the upstream wants to be polled again, whenever it says so. */
  readonly pollAfter: boolean;
  /** The upstream's copy is deleted, if the account asks for it. */
  readonly discard: boolean;
  /** A job of another node can be run again here and gives the same bytes. */
  readonly resumeJob: boolean;
  /** The upstream's own clock is read from its answers. */
  readonly upstreamTime: boolean;
  /** Accounts may be fleets of several servers, and it is seen at once whether a server answers. */
  readonly fleet: boolean;
}

/**
 * Whether a request may be sent. Called at the last moment before its first byte, because the node may have lost its lease while
 * the submission waited for its turn, a token, an upload or a connection.
 */
export type MaySend = () => boolean;

/** For requests that create nothing upstream. Sending one too late does no harm. */
export const MAKES_NOTHING: MaySend = () => true;

/** The conditions of a creation. */
export interface Sending {
  readonly signal: AbortSignal;
  readonly maySend: MaySend;
}

/** A job for the upstream. */
export interface Job {
  readonly taskId: string;
  readonly attempt: number;
  /** Unique per attempt, 32 hex digits. */
  readonly idempotencyKey: string;
  readonly upstreamModel: string;
  readonly request: UpstreamRequest;
  /** Opens an input from media storage. Throws `InputGone` if it was deleted. */
  readonly openInput: (input: StoredInput) => Promise<Readable>;
  /** A public link to an input, for upstreams that fetch it themselves. Absent if the gateway has no public URL. */
  readonly linkTo?: (input: StoredInput) => string;
}

/** An input image was deleted, so a retry cannot succeed. */
export class InputGone extends Error {}

export interface Submitted {
  readonly upstreamId: string;
  readonly state: 'queued' | 'in_progress';
}

/** Identifies a job upstream. */
export interface Handle {
  readonly upstreamId: string;
  readonly upstreamModel: string;
  readonly idempotencyKey: string;
  /** When the submission was intended, milliseconds UTC. Searches of an upstream's list start there. */
  readonly intendedAt: number;
}

/** A job whose poll is due. */
export interface DueJob {
  readonly handle: Handle;
  /** How late its end is known already, in expectation. Milliseconds, finite. */
  readonly expectedDelayMs: number;
}

/** When a job was worked on, by the upstream's own clock and as far as it tells. Milliseconds UTC. */
export interface UpstreamTimes {
  /** The end of the queue: work on the job began. */
  readonly startedAt?: number;
  /** The job was over. */
  readonly endedAt?: number;
}

export type Answer =
  | ({
      readonly state: 'queued' | 'in_progress';
      /** 0-100, possibly with a fraction, if the upstream tells. */
      readonly progress?: number;
      /** How many jobs the upstream will begin before this one, if it tells. 0 for the next. */
      readonly queuePosition?: number;
      /** The upstream asks not to be polled about the job earlier than this. Milliseconds from the answer. */
      readonly pollAfterMs?: number;
    } & Pick<UpstreamTimes, 'startedAt'>)
  | ({ readonly state: 'succeeded'; readonly result: UpstreamResult } & UpstreamTimes)
  | ({
      readonly state: 'failed';
      readonly reason: Reason;
      readonly message: string;
      /** For the operator. */
      readonly detail?: string;
    } & UpstreamTimes)
  /** The upstream does not know the job, no longer or not yet. The engine polls again for a while before it believes this. */
  | { readonly state: 'missing'; readonly detail?: string };

export interface OpenedResult {
  readonly stream: Readable;
  /** Length of the whole video in bytes, if the upstream tells. */
  readonly bytes?: number;
  /** The offset at which the stream really starts: 0 if the upstream ignores ranges. */
  readonly offset: number;
  /** Identifies these bytes. A different value at a later try means different bytes, which must not be appended to these. */
  readonly version?: string;
  /**
   * Frees the memory of a piece of the stream that nothing reads any more: until a collection of garbage it would count as in use, and a
   * video of 50 MB would cause several. Absent if anything else may use the pieces.
   */
  readonly free?: (piece: Buffer) => void;
}

/** `pending`: the upstream accepted the request, and a later poll will show the outcome. `too_late`: the job runs or is over. */
export type CancelOutcome = 'cancelled' | 'pending' | 'too_late';

export interface UnknownSubmission {
  readonly taskId: string;
  readonly idempotencyKey: string;
  readonly upstreamModel: string;
  readonly request: VideoRequest;
  /** When the submission was intended, by this gateway's wall clock, milliseconds UTC. The clock may have been set since. */
  readonly intendedAt: number;
  /** The same by the upstream's clock, if it was known then. */
  readonly intendedThereAt?: number;
  /** Milliseconds since the intent, if this process made it. Rather too many than too few. */
  readonly sinceIntent?: () => number;
  /** Milliseconds since the call of this side has certainly ended; negative while it has not. */
  readonly sinceGivenUp: () => number;
  /** Whether an attempt already has this upstream id. Such a job is not the lost one. */
  readonly isKnown: (upstreamId: string) => Promise<boolean>;
  /** The latest jobs of the account that were made with the attempt's `findVersion`. Absent if the provider's is another by now. */
  readonly earlier?: () => Promise<readonly MadeJob[]>;
}

/** A submission that was answered. */
export interface MadeJob extends Pick<Job, 'idempotencyKey' | 'upstreamModel' | 'request'> {
  readonly upstreamId: string;
}

export type FindOutcome =
  /** `isCertain`: the job was found by the attempt's own key, which no other attempt has. */
  | { readonly found: true; readonly upstreamId: string; readonly isCertain?: boolean }
  | { readonly found: false; readonly certainty: 'unknown' }
  | Absent;

export interface Callback {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly rawBody: Buffer;
  readonly query: Readonly<Record<string, unknown>>;
}

/** Messages for the caller, unless the adapter has a better one. */
const PUBLIC_MESSAGES: Partial<Record<Reason, string>> = {
  // The message of the reference service's 400.
  content_rejected: 'Prompt contains inappropriate content',
  invalid_request: 'The upstream provider refused the parameters; change them and submit again.',
  rate_limited: 'The upstream provider is limiting requests; the task waits its turn.',
  quota_exhausted: "The operator's quota at the upstream provider is used up.",
  auth_failed: "The upstream provider refused the gateway's credentials; the operator must check them.",
  upstream_unavailable: 'The upstream provider could not be reached or answered with an error of its own.',
  upstream_timeout: 'The upstream provider did not answer in time.',
};

/** More callbacks have come than can be checked. Says nothing about whether this one is genuine. */
export class TooManyCallbacks extends Error {
  constructor() {
    super('too many callbacks at once');
    this.name = 'TooManyCallbacks';
  }
}

/** The one error an adapter throws. */
export class UpstreamError extends Error {
  readonly reason: Reason;
  /**
   * For `submit`: whether the upstream may have the job. `no`: certainly not (a clear refusal). `unknown`: a lost answer, a timeout
   * or a 5xx. After `unknown` the engine never submits again without searching for the job first.
   */
  readonly created: 'no' | 'unknown';
  readonly retryAfterMs: number | undefined;
  /**
   * Set if the gateway itself caused the failure: its storage could not deliver an input, or the machine has no descriptors, memory
   * or network left. This says nothing about the request and never ends a task. The engine tries again.
   */
  readonly ours: 'inputs' | 'machine' | undefined;
  /** The upstream's own message, for the operator's log. Never sent to a caller, who reads `message`: without markup, links and secrets, and short. */
  readonly detail: string | undefined;

  constructor(
    reason: Reason,
    options: {
      message?: string;
      created?: 'no' | 'unknown';
      retryAfterMs?: number;
      ours?: 'inputs' | 'machine';
      detail?: string;
      cause?: unknown;
    } = {},
  ) {
    super(
      wordsForCaller(options.message ?? '') || (PUBLIC_MESSAGES[reason] ?? 'The upstream provider failed.'),
      {
        cause: options.cause,
      },
    );
    this.name = 'UpstreamError';
    this.reason = reason;
    this.created = options.created ?? 'unknown';
    this.retryAfterMs = options.retryAfterMs;
    this.ours = options.ours;
    this.detail = options.detail;
  }

  /** Whether the engine may retry, and where. */
  get retry(): (typeof REASONS)[Reason]['retry'] {
    return REASONS[this.reason].retry;
  }
}

/**
 * This node may not send at this moment, so no byte was sent. This says nothing about the upstream or the account, and causes no
 * back-off from them.
 */
export class SendRefused extends UpstreamError {
  constructor() {
    super('upstream_unavailable', { created: 'no', detail: 'this node may no longer act for its tasks' });
    this.name = 'SendRefused';
  }
}

/** The upstream has no bytes from the offset on: all of them are here already, or the video there is a different one. */
export class NotResumable extends UpstreamError {
  /** Length of the whole video in bytes, if the upstream tells. */
  readonly bytes: number | undefined;

  constructor(bytes?: number) {
    super('upstream_unavailable', { detail: 'the upstream has no bytes from the offset on' });
    this.name = 'NotResumable';
    this.bytes = bytes;
  }
}
