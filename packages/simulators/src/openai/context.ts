import type { FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import type { Answer, Refusal } from '../core/http/answer.ts';
import type { Random } from '../core/random.ts';
import type { UpstreamContext } from '../core/upstream.ts';
import type { VideoDetails, VideoJob } from './video.ts';

/** Switches of the services that speak this protocol. */
export type OpenAiSettings = {
  /** Usage tier, 1 to 5: decides the rate limits. */
  readonly tier: number;
  /** The models are gone, as they are since 24 September 2026. */
  readonly retired: boolean;
  /** Content answers 302 to storage in place of the bytes: the guide's `curl -L` says that it may. */
  readonly redirectContent: boolean;
  /** Resources leave out what is null, as the guide's examples do. */
  readonly sparse: boolean;
  /** Where the project's webhook points; none where empty. */
  readonly webhookUrl: string;
  readonly webhookSecret: string;
};

/** Endpoints beside create, retrieve, list, delete and content. */
export type Endpoint = 'remix' | 'edits' | 'extensions' | 'characters';

/** Where the services that speak this protocol differ. */
export interface Flavour {
  readonly name: string;
  readonly title: string;
  /** What comes before `/videos`. */
  readonly prefix: string;
  /** A header that may carry the key, beside `Authorization: Bearer`. */
  readonly keyHeader: string | undefined;
  readonly endpoints: readonly Endpoint[];
  /** Reads a create request and makes the job. */
  create(context: OpenAiContext, request: FastifyRequest, account: Account): Promise<VideoJob>;
  /** Sizes; without it, all of the model's. */
  readonly sizes: readonly string[] | undefined;
  readonly seconds: readonly string[];
  /** Unfinished jobs of an account beyond which a submit is refused. */
  readonly concurrent: number | undefined;
  /** How long a result is kept, milliseconds; without it, for as long as the server runs. */
  readonly keptMs: number | undefined;
  /** A job that is not over is cancelled by its deletion; elsewhere that is refused. */
  readonly deleteCancels: boolean;
  newId(random: Random): string;
  refuses: {
    missingKey(): Refusal;
    wrongKey(key: string): Refusal;
    modelNotFound(model: string): Refusal;
  };
  /** An error answer in OpenAI's shape as this service words it. */
  reshape(answer: Answer): Answer;
  /** Fields of its own. */
  extend(resource: Record<string, unknown>, job: VideoJob): Record<string, unknown>;
  environment(origin: string, key: string, secret: string): Readonly<Record<string, string>>;
}

export interface OpenAiContext extends UpstreamContext<OpenAiSettings, VideoDetails> {
  readonly flavour: Flavour;
}
