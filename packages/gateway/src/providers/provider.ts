import type { Readable } from 'node:stream';
import type { Reason } from '../tasks/reasons.ts';
import { REASONS } from '../tasks/reasons.ts';
import type { InputRef, VideoRequest } from '../tasks/request.ts';
import type { UpstreamResult } from '../tasks/task.ts';
import type { Absent } from './search/absent.ts';

/**
 * One upstream account, ready to use: what the engine knows of a provider. An adapter is a factory that returns
 * a plain object of this shape. It keeps no task state of its own: everything needed to go on after a crash is in
 * the handle. Every method may be called again with the same arguments, and throws only `UpstreamError`.
 */
export interface Provider {
  /**
   * Creates the job upstream, once. Never retried inside: a second create may be a second bill.
   * Throws `UpstreamError` whose `created` says whether the upstream may have taken it, `SendRefused` where `maySend` was
   * false when the creation would have gone out.
   */
  start(job: Job, sending: Sending): Promise<Started>;

  /** Asks about one job. A thrown error is never a verdict on the job: the engine asks again later. */
  ask(handle: Handle, signal: AbortSignal): Promise<Answer>;

  /** Asks about many jobs in one upstream request, where there is such a call; handles without an answer are left out. */
  askMany?(handles: readonly Handle[], signal: AbortSignal): Promise<ReadonlyMap<string, Answer>>;

  /**
   * Makes sure that a job which was started on another node can be asked about on this one. For what runs inside the gateway
   * itself; absent for upstreams of their own, which any node can ask.
   */
  resume?(job: Job): Promise<void>;

  /** Opens the finished bytes from `offset` on, as a stream; the caller destroys it. Throws `NotResumable` too. */
  open(handle: Handle, result: UpstreamResult, offset: number, signal: AbortSignal): Promise<OpenedResult>;

  /** Tries to stop a job upstream. Absent where the upstream has no such call. */
  cancel?(handle: Handle, signal: AbortSignal): Promise<CancelOutcome>;

  /**
   * Finds a job whose submission has an unknown outcome. Absent if the upstream offers no way to tell. An adapter only reads
   * what its upstream lists. `search/judge.ts` decides what follows from it.
   */
  find?(attempt: UnknownSubmission, signal: AbortSignal): Promise<FindOutcome>;

  /** Lets the upstream forget a job whose result is safe with us. Best effort. */
  discard?(handle: Handle, signal: AbortSignal): Promise<void>;

  /** Checks that an incoming callback is genuine and says which jobs to ask about. Throws if it is not genuine. */
  verifyCallback?(callback: Callback): Promise<readonly string[]>;

  /** Calls `listener` with an upstream id when a job may have changed: a hint to ask now. Returns the unsubscriber. */
  onHint?(listener: (upstreamId: string) => void): () => void;

  /**
   * What the upstream's own clock says at this moment, milliseconds UTC; undefined where it does not tell. May ask the upstream.
   * Never rejects. A lost submission is told from older jobs by it, also by a node that never saw the submission.
   */
  upstreamTime?(): Promise<number | undefined>;

  /** Releases connections and children. Jobs go on upstream, or are resumed by the next start. */
  close(): Promise<void>;
}

/** What an adapter can do beside `start`, `ask` and `open`. The contract suite proves each ability, and that no other is there. */
export interface Abilities {
  /** Which jobs can be stopped upstream: those that still wait there, or any that is not over. */
  readonly cancel: 'none' | 'queued' | 'any';
  /**
   * Finding a lost submission. `unique`: found where no other job could be it, and never known to be absent; `full`: found or,
   * after a while, known to be absent.
   */
  readonly find: 'none' | 'unique' | 'full';
  /** Downloads start at any offset; elsewhere they start over. */
  readonly resumeDownload: boolean;
  /** Many jobs are asked about in fewer requests than jobs. */
  readonly batchPolling: boolean;
  /** Callbacks of the upstream are verified, where the account is set up for them. */
  readonly callbacks: boolean;
  /** The adapter itself says when a job may have changed. */
  readonly hints: boolean;
  /** Answers about running jobs carry a percentage. */
  readonly progress: boolean;
  /** The upstream's copy can be deleted, where the account asks for it. */
  readonly discard: boolean;
  /** A job of another node is run again here, to the same bytes. */
  readonly resumeJob: boolean;
  /** The upstream's own clock is read from its answers. */
  readonly upstreamTime: boolean;
}

/**
 * Whether a request may leave, asked at the last moment before its first byte would: a submission that has waited (for its turn, a
 * token, an upload, a connection) through the end of a lease is no longer this node's to make.
 */
export type MaySend = () => boolean;

/** For requests that make nothing upstream: sending one too late harms nobody. */
export const MAKES_NOTHING: MaySend = () => true;

/** What a creation is sent under. */
export interface Sending {
  readonly signal: AbortSignal;
  readonly maySend: MaySend;
}

/** What is asked of the upstream. */
export interface Job {
  readonly taskId: string;
  readonly attempt: number;
  /** Unique per attempt, 32 hex digits. */
  readonly idempotencyKey: string;
  readonly upstreamModel: string;
  readonly request: VideoRequest;
  /** Opens an input image from media storage. Throws `InputGone` where it is not there any more. */
  readonly openInput: (input: InputRef) => Promise<Readable>;
}

/** An input image that was deleted: no later try will find it. */
export class InputGone extends Error {}

export interface Started {
  readonly upstreamId: string;
  readonly state: 'queued' | 'in_progress';
}

/** Names a job upstream. */
export interface Handle {
  readonly upstreamId: string;
  readonly upstreamModel: string;
  readonly idempotencyKey: string;
  /** When the submission was intended, milliseconds UTC: what an upstream's list is searched from. */
  readonly intendedAt: number;
}

export type Answer =
  | {
      readonly state: 'queued' | 'in_progress' /** 0-100, where the upstream tells. */;
      readonly progress?: number;
    }
  | { readonly state: 'succeeded'; readonly result: UpstreamResult }
  | {
      readonly state: 'failed';
      readonly reason: Reason;
      readonly message: string /** For the operator. */;
      readonly detail?: string;
    }
  /** The upstream no longer (or not yet) knows the job. Asked again for a while before it counts. */
  | { readonly state: 'missing'; readonly detail?: string };

export interface OpenedResult {
  readonly stream: Readable;
  /** Length of the whole video in bytes, where the upstream tells. */
  readonly bytes?: number;
  /** The offset the stream really starts at: 0 where the upstream ignores ranges. */
  readonly offset: number;
  /** Names these bytes: another word at a later try means other bytes, which nothing may be appended to. */
  readonly version?: string;
}

/** `pending`: the upstream took the request and will say so in a later answer. `too_late`: it runs or is over. */
export type CancelOutcome = 'cancelled' | 'pending' | 'too_late';

export interface UnknownSubmission {
  readonly taskId: string;
  readonly idempotencyKey: string;
  readonly upstreamModel: string;
  readonly request: VideoRequest;
  /** When the submission was intended by our wall clock, milliseconds UTC. That clock may have been set since. */
  readonly intendedAt: number;
  /** The same by the upstream's clock, where it was known then. */
  readonly intendedThereAt?: number;
  /** Milliseconds since the intent, where this process made it; rather too many than too few. */
  readonly sinceIntent?: () => number;
  /** Milliseconds since our side has certainly given the call up. */
  readonly sinceGivenUp: () => number;
  /** Whether an attempt has this upstream id already: somebody else's job is not the lost one. */
  readonly isKnown: (upstreamId: string) => Promise<boolean>;
}

export type FindOutcome =
  /** `isCertain`: it is known by the attempt's own key, and no other's. */
  | { readonly found: true; readonly upstreamId: string; readonly isCertain?: boolean }
  | { readonly found: false; readonly certainty: 'unknown' }
  | Absent;

export interface Callback {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly rawBody: Buffer;
  readonly query: Readonly<Record<string, unknown>>;
}

/** What the caller may read, unless the adapter has better words. */
const PUBLIC_MESSAGES: Partial<Record<Reason, string>> = {
  // The words of the reference service for its 400.
  content_rejected: 'Prompt contains inappropriate content',
  invalid_request: 'The upstream provider refused the parameters; change them and submit again.',
  rate_limited: 'The upstream provider is limiting requests; the task waits its turn.',
  quota_exhausted: "The operator's quota at the upstream provider is used up.",
  auth_failed: "The upstream provider refused the gateway's credentials; the operator must check them.",
  upstream_unavailable: 'The upstream provider could not be reached or answered with an error of its own.',
  upstream_timeout: 'The upstream provider did not answer in time.',
};

/** The one error an adapter throws. */
export class UpstreamError extends Error {
  readonly reason: Reason;
  /**
   * For `start`: whether the upstream may hold the job. `no`: certainly not (a clear refusal); `unknown`: a lost
   * answer, a time-out, a 5xx. The engine never submits again on `unknown` without looking first.
   */
  readonly created: 'no' | 'unknown';
  readonly retryAfterMs: number | undefined;
  /**
   * The gateway's own trouble: an input that its storage could not give, or a machine without descriptors, memory or network.
   * It says nothing about the request, and never ends a task; the engine tries again.
   */
  readonly ours: 'inputs' | 'machine' | undefined;
  /** The upstream's own words, for the operator's log; never sent to a caller. */
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
    super(options.message ?? PUBLIC_MESSAGES[reason] ?? 'The upstream provider failed.', {
      cause: options.cause,
    });
    this.name = 'UpstreamError';
    this.reason = reason;
    this.created = options.created ?? 'unknown';
    this.retryAfterMs = options.retryAfterMs;
    this.ours = options.ours;
    this.detail = options.detail;
  }

  /** What the engine may do about it. */
  get retry(): (typeof REASONS)[Reason]['retry'] {
    return REASONS[this.reason].retry;
  }
}

/**
 * This node may not send at this moment, so not a byte has left. It says nothing about the upstream or the account: neither is
 * backed off from because of it.
 */
export class SendRefused extends UpstreamError {
  constructor() {
    super('upstream_unavailable', { created: 'no', detail: 'this node may no longer speak for its tasks' });
    this.name = 'SendRefused';
  }
}

/** The upstream gives nothing from the offset on: all bytes are here already, or the video there is another one. */
export class NotResumable extends UpstreamError {
  /** Length of the whole video, where the upstream tells. */
  readonly bytes: number | undefined;

  constructor(bytes?: number) {
    super('upstream_unavailable', { detail: 'the upstream gives nothing from the offset on' });
    this.name = 'NotResumable';
    this.bytes = bytes;
  }
}
