import type { Job } from '../core/jobs/job.ts';
import type { Bill } from '../core/ledger.ts';
import type { UpstreamContext } from '../core/upstream.ts';

/** Switches of both services. */
export type GoogleSettings = {
  /** `error.code` of operations that fail by themselves: 8, 13 or 14. */
  readonly failureCode: number;
  /** Parameters are checked after the submit was answered: the operation ends with code 3. Seen on Vertex AI. */
  readonly lateChecks: boolean;
};

/** What Google knows of a job beside what every upstream knows. */
export interface VeoDetails {
  /** The resource whose operation it is: a model. */
  readonly parent: string;
  /** Videos asked for. */
  readonly samples: number;
  /** Vertex AI: `gs://bucket/folder/`, where results are put. */
  readonly storageUri: string | undefined;
  readonly billedSeconds: number;
  readonly usdPerSecond: number;
  /** What a late check found wrong. */
  readonly complaint: string | undefined;
}

export type VeoJob = Job<VeoDetails>;

export type VeoContext = UpstreamContext<GoogleSettings, VeoDetails>;

/** The operation's full name. */
export const operationName = ({ id, details }: VeoJob): string => `${details.parent}/operations/${id}`;

/** How many videos the filters left. */
export function samplesOf(job: VeoJob): number {
  const { samples } = job.details;
  switch (job.plan.ending) {
    case 'filtered':
      return 0;
    // Of a single one, one is left all the same: the filters tell of another that they took.
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
