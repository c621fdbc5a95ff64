import type { FastifyError, FastifyInstance, FastifyRequest } from 'fastify';
import type { Account, Accounts } from './accounts.ts';
import type { TroubleAnswers } from './faults/hooks.ts';
import type { Answer } from './http/answer.ts';
import type { RequestNotes } from './http/requestNotes.ts';
import type { Job, Pace } from './jobs/job.ts';
import type { Jobs } from './jobs/jobs.ts';
import type { Ending } from './jobs/markers.ts';
import type { Bill } from './ledger.ts';
import type { SharedState } from './shared.ts';
import type { Storage, StorageStyle } from './storage/storage.ts';

/** Settings of an upstream, which can change while it runs: plain values, each with a default. */
export type Settings = Readonly<Record<string, string | number | boolean>>;

/** What is particular to an upstream. The core provides the rest: servers, ledger, faults, clock, videos. */
export interface UpstreamDefinition<S extends Settings, Details> {
  /** One word that names it in the ledger, in faults and on the command line. */
  readonly name: string;
  /** A name for people. */
  readonly title: string;
  readonly settings: S;
  /** Makes the key of an account, in the provider's form. */
  keyOf(account: string): string;
  /** Reads the key of a request; undefined if it has none. */
  credentialOf(headers: Record<string, unknown>, query: unknown): string | undefined;
  /** Registers the provider's paths. Each names its operation: `{ config: { operation: 'poll' } }`. */
  routes(app: FastifyInstance, context: UpstreamContext<S, Details>): void | Promise<void>;
  readonly answers: UpstreamAnswers;
  /** Endings that it does not have, each with the ending that it has instead: `{ filtered: 'moderation' }`. */
  readonly endings?: Partial<Readonly<Record<Ending, Ending>>>;
  /** How long jobs of a model take; undefined if it has no such model. */
  paceOf(model: string): Pace | undefined;
  /** The bill of a job that succeeded; undefined if it is free (filtered, for example). */
  bill(job: Job<Details>): Bill | undefined;
  /** Called after every change of a job, including its creation. Sends webhooks and callbacks. */
  changed?(context: UpstreamContext<S, Details>, job: Job<Details>, at: number): void;
  /** Set if results are on a host of their own. */
  readonly storage?: StorageStyle;
  /** Environment variables that point a client at it. */
  environment(origin: string, key: string): Readonly<Record<string, string>>;
}

/** The provider's answers to requests that no route handles. */
export interface UpstreamAnswers extends TroubleAnswers {
  notFound(request: FastifyRequest): Answer;
  /** The body cannot be read: bad JSON (400), too large (413) or of a wrong type (415). */
  unreadable(error: FastifyError): Answer;
}

/** What the routes of an upstream work with. */
export interface UpstreamContext<S extends Settings, Details> {
  readonly name: string;
  /** The current settings. */
  readonly settings: S;
  readonly shared: SharedState;
  readonly jobs: Jobs<Details>;
  readonly accounts: Accounts;
  readonly notes: RequestNotes;
  /** Throws if the definition has no `storage`. */
  readonly storage: Storage;
  /** `http://127.0.0.1:<port>`. */
  origin(): string;
  /** The account of the request's key, whatever its state. */
  accountOf(request: FastifyRequest): Account | undefined;
  /** A time (milliseconds UTC) as this upstream reports it. A clock-skew fault shifts it. */
  timeShown(ms: number): number;
  /** A prompt as this upstream reports it. A fault may reword it. */
  promptShown(prompt: string): string;
  /**
   * The job's video, different from that of any other job; undefined if it is lost. `part` counts from 0 if a job makes several.
   */
  resultOf(job: Job<Details>, part?: number): Promise<Buffer | undefined>;
}

export interface ServeOptions {
  /** 0, the default, takes a free port. */
  readonly port?: number;
  /** The port of its storage, if it has one. */
  readonly storagePort?: number;
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** An upstream that can be started. */
export interface Upstream {
  readonly name: string;
  readonly title: string;
  /** How long jobs of a model take; undefined if it has no such model. */
  paceOf(model: string): Pace | undefined;
  serve(shared: SharedState, options?: ServeOptions): Promise<RunningUpstream>;
}

/** An upstream that listens. */
export interface RunningUpstream {
  readonly name: string;
  readonly title: string;
  /** `http://127.0.0.1:<port>`. The provider's paths are appended to it. */
  readonly url: string;
  /** The origin of its results, if they are on another host. */
  readonly storageUrl: string | undefined;
  /** The key of the `default` account. */
  readonly key: string;
  readonly accounts: Accounts;
  readonly jobs: Jobs;
  readonly environment: Readonly<Record<string, string>>;
  settings(): Settings;
  /** Changes settings. Throws a TypeError for an unknown setting or a value of another type. */
  configure(change: Readonly<Record<string, unknown>>): void;
  /** Refuses every connection until `restore`, including those to its storage. */
  outage(): Promise<void>;
  restore(): Promise<void>;
  close(): Promise<void>;
}
