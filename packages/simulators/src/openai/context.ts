import type { FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import type { Answer, Refusal } from '../core/http/answer.ts';
import type { Pace } from '../core/jobs/job.ts';
import type { Random } from '../core/random.ts';
import type { UpstreamContext } from '../core/upstream.ts';
import type { VideoDetails, VideoJob } from './video.ts';

/** Settings of the services that speak this protocol. */
export type OpenAiSettings = {
  /** Usage tier, 1 to 5. It determines the rate limits. */
  readonly tier: number;
  /** The models are no longer served, as since 24 September 2026. */
  readonly retired: boolean;
  /** Content is answered with a 302 to storage instead of the bytes. The guide's `curl -L` says that it may. */
  readonly redirectContent: boolean;
  /** Sent with every job as `openai-poll-after-ms`, which the SDKs read (openai-node, src/lib/polling.ts). 0 sends none. */
  readonly pollAfterMs: number;
  /**
   * The list of jobs: `paged` as documented, `absent` (405), `unsorted` (in the order of the ids), or `stuck` on the first page, whatever
   * `after` says. Servers that speak the protocol differ most here.
   */
  readonly list: 'paged' | 'absent' | 'unsorted' | 'stuck';
  /** Resources leave out what is null, as the guide's examples do. */
  readonly sparse: boolean;
  /** The URL of the project's webhook. Empty: no webhook. */
  readonly webhookUrl: string;
  readonly webhookSecret: string;
  /** Videos go to cloud storage, and the job has their link instead of content (SGLang Diffusion, SGLANG_CLOUD_STORAGE_TYPE). */
  readonly cloudStorage: boolean;
};

/** Endpoints besides create, retrieve, list, delete and content. */
export type Endpoint = 'remix' | 'edits' | 'extensions' | 'characters';

/** The differences between the services that speak this protocol. */
export interface Flavour {
  readonly name: string;
  readonly title: string;
  /** What comes before `/videos`. */
  readonly prefix: string;
  /** A header for the key, besides `Authorization: Bearer`. */
  readonly keyHeader: string | undefined;
  readonly endpoints: readonly Endpoint[];
  /** Reads a creation request and creates the job. */
  create(context: OpenAiContext, request: FastifyRequest, account: Account): Promise<VideoJob>;
  paceOf(model: string): Pace | undefined;
  /** Sizes. Without it, all sizes of the model. */
  readonly sizes: readonly string[] | undefined;
  readonly seconds: readonly string[];
  /** A list behind a job that does not exist is empty (SGLang Diffusion, `stores.py`). Otherwise it is refused. */
  readonly emptyBehindUnknown: boolean;
  /** The most unfinished jobs of an account. Further submissions are refused. */
  readonly concurrent: number | undefined;
  /** How long a result is kept, in milliseconds. Without it, as long as the server runs. */
  readonly keptMs: number | undefined;
  /** What a deletion does to a job that is not over: it is refused, or it cancels the job, or the job goes on and only its record is gone. */
  readonly unfinishedDelete: 'refused' | 'cancels' | 'forgets';
  newId(random: Random): string;
  refuses: {
    missingKey(): Refusal;
    wrongKey(key: string): Refusal;
    modelNotFound(model: string): Refusal;
  };
  /** Converts an error answer from OpenAI's form to this service's. */
  reshape(answer: Answer): Answer;
  /** The service's own fields. */
  extend(resource: Record<string, unknown>, job: VideoJob, context: OpenAiContext): Record<string, unknown>;
  environment(origin: string, key: string, secret: string): Readonly<Record<string, string>>;
}

export interface OpenAiContext extends UpstreamContext<OpenAiSettings, VideoDetails> {
  readonly flavour: Flavour;
}
