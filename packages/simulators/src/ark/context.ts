import type { Job } from '../core/jobs/job.ts';
import type { UpstreamContext } from '../core/upstream.ts';
import type { Parameters } from './checks.ts';
import type { Region, SeedanceModel } from './models.ts';

/** Settings of the service. */
export type ArkSettings = {
  /** Tasks of one model that run at a time: 10 for enterprises, 3 for persons. Further tasks wait. */
  readonly concurrency: number;
  /** Creations a minute for one model: 600 for enterprises, 180 for persons. */
  readonly requestsPerMinute: number;
  /** Tasks that may wait. */
  readonly queued: number;
  /** Models that were taken offline are still available. */
  readonly retiredModels: boolean;
};

/** What Ark knows about a task, besides what every upstream knows. */
export interface TaskDetails extends Parameters {
  readonly model: SeedanceModel;
  /** The ratio of the result. */
  readonly shownRatio: string;
  /** Reference videos. */
  readonly videos: number;
  /** The links of all media. */
  readonly links: readonly string[];
  /** The request breaks a rule that is checked only when the task runs. */
  readonly constraintBroken: boolean;
  /** The prompt asks for something else than `omni_reference_task_type` says, which is seen only when the task runs. */
  readonly taskTypeMismatch: boolean;
}

export type Task = Job<TaskDetails>;

export interface ArkContext extends UpstreamContext<ArkSettings, TaskDetails> {
  readonly region: Region;
}
