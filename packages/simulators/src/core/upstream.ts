import type { FastifyError, FastifyInstance, FastifyRequest } from 'fastify';
import type { Account, Accounts } from './accounts.ts';
import type { TroubleAnswers } from './faults/hooks.ts';
import type { Answer } from './http/answer.ts';
import type { RequestNotes } from './http/requestNotes.ts';
import type { Job } from './jobs/job.ts';
import type { Jobs } from './jobs/jobs.ts';
import type { Ending } from './jobs/markers.ts';
import type { Bill } from './ledger.ts';
import type { SharedState } from './shared.ts';
import type { Storage, StorageStyle } from './storage/storage.ts';

/** Switches of an upstream, changed while it runs: plain values with a default each. */
export type Settings = Readonly<Record<string, string | number | boolean>>;

/** What an upstream is: everything else (servers, ledger, faults, clock, videos) is the core's. */
export interface UpstreamDefinition<S extends Settings, Details> {
  /** One word; names it in the ledger, the faults and on the command line. */
  readonly name: string;
  /** For people. */
  readonly title: string;
  readonly settings: S;
  /** The key of an account, in the provider's form. */
  keyOf(account: string): string;
  /** Where a request carries its key; undefined where it has none. */
  credentialOf(headers: Record<string, unknown>, query: unknown): string | undefined;
  /** Registers the provider's paths. Each names its operation: `{ config: { operation: 'poll' } }`. */
  routes(app: FastifyInstance, context: UpstreamContext<S, Details>): void | Promise<void>;
  readonly answers: UpstreamAnswers;
  /** Endings that it does not know, and what it makes of them: `{ filtered: 'moderation' }`. */
  readonly endings?: Partial<Readonly<Record<Ending, Ending>>>;
  /** What a job that succeeded cost; undefined where it is free (filtered, say). */
  bill(job: Job<Details>): Bill | undefined;
  /** Told of every change of a job, creation included: the place for webhooks and callbacks. */
  changed?(context: UpstreamContext<S, Details>, job: Job<Details>, at: number): void;
  /** Set where results lie on a host of their own. */
  readonly storage?: StorageStyle;
  /** Variables that point a client at it. */
  environment(origin: string, key: string): Readonly<Record<string, string>>;
}

/** The provider's answers to what no route decides. */
export interface UpstreamAnswers extends TroubleAnswers {
  notFound(request: FastifyRequest): Answer;
  /** A body that cannot be read: bad JSON (400), too large (413), of a wrong type (415). */
  unreadable(error: FastifyError): Answer;
}

/** What an upstream's routes work with. */
export interface UpstreamContext<S extends Settings, Details> {
  readonly name: string;
  /** As they are now. */
  readonly settings: S;
  readonly shared: SharedState;
  readonly jobs: Jobs<Details>;
  readonly accounts: Accounts;
  readonly notes: RequestNotes;
  /** Throws where the definition has no `storage`. */
  readonly storage: Storage;
  /** `http://127.0.0.1:<port>`. */
  origin(): string;
  /** The account whose key the request carries, in whatever state it is. */
  accountOf(request: FastifyRequest): Account | undefined;
  /** A time (milliseconds UTC) as this upstream tells it: a clock-skew fault moves it. */
  timeShown(ms: number): number;
  /** A prompt as this upstream tells it: a fault rewords it. */
  promptShown(prompt: string): string;
  /**
   * The job's video, unlike that of any other job; undefined where it is lost. `part` counts from 0 where a job makes several.
   */
  resultOf(job: Job<Details>, part?: number): Promise<Buffer | undefined>;
}

export interface ServeOptions {
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** Of its storage, where it has one. */
  readonly storagePort?: number;
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** An upstream, ready to be served. */
export interface Upstream {
  readonly name: string;
  readonly title: string;
  serve(shared: SharedState, options?: ServeOptions): Promise<RunningUpstream>;
}

/** An upstream that listens. */
export interface RunningUpstream {
  readonly name: string;
  readonly title: string;
  /** `http://127.0.0.1:<port>`; the provider's paths follow. */
  readonly url: string;
  /** The origin of its results, where they lie elsewhere. */
  readonly storageUrl: string | undefined;
  /** The key of the `default` account. */
  readonly key: string;
  readonly accounts: Accounts;
  readonly jobs: Jobs;
  readonly environment: Readonly<Record<string, string>>;
  settings(): Settings;
  /** Changes settings; throws a TypeError for an unknown one, or a value of another type. */
  configure(change: Readonly<Record<string, unknown>>): void;
  /** Refuses every connection, its storage's too, until `restore`. */
  outage(): Promise<void>;
  restore(): Promise<void>;
  close(): Promise<void>;
}
