import type { Job } from '../core/jobs/job.ts';
import type { Bill } from '../core/ledger.ts';
import type { UpstreamContext } from '../core/upstream.ts';
import type { OmniRequest } from './interactions/parseRequest.ts';

/** Settings of both services. */
export type GoogleSettings = {
  /** `error.code` of operations that fail by themselves: 8, 13 or 14. */
  readonly failureCode: number;
  /** Parameters are checked after the submission was answered, and the operation ends with code 3. Seen on Vertex AI. */
  readonly lateChecks: boolean;
};

/** What Google knows about a job, besides what every upstream knows. */
export interface VeoDetails {
  /** The resource that the operation belongs to: a model. */
  readonly parent: string;
  /** The number of requested videos. */
  readonly samples: number;
  /** Vertex AI: the folder for results, `gs://bucket/folder/`. */
  readonly storageUri: string | undefined;
  readonly billedSeconds: number;
  readonly usdPerSecond: number;
  /** The problem that a late check found. */
  readonly complaint: string | undefined;
  /** Set if the job is an interaction of the Interactions API, and not an operation. */
  readonly interaction?: OmniRequest;
}

export type VeoJob = Job<VeoDetails>;

export type VeoContext = UpstreamContext<GoogleSettings, VeoDetails>;

/** The operation's full name. */
export const operationName = ({ id, details }: VeoJob): string => `${details.parent}/operations/${id}`;

/** How many videos passed the filters. */
export function samplesOf(job: VeoJob): number {
  const { samples } = job.details;
  switch (job.plan.ending) {
    case 'filtered':
      return 0;
    // At least one video is left. The filters then report another one that they removed.
    case 'partial':
      return Math.max(1, samples - 1);
    default:
      return samples;
  }
}

/** "You are only charged if a video is successfully generated" (Gemini API, pricing). */
export function billOf(job: VeoJob): Bill | undefined {
  const { billedSeconds, usdPerSecond, complaint } = job.details;
  const quantity = billedSeconds * samplesOf(job);
  if (complaint !== undefined || quantity === 0) return undefined;
  return { quantity, unit: 'seconds', usd: quantity * usdPerSecond };
}
