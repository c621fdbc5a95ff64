import type { Job } from '../core/jobs/job.ts';
import type { UpstreamContext } from '../core/upstream.ts';
import type { Parameters } from './checks.ts';
import type { Region, SeedanceModel } from './models.ts';

/** Switches of the service. */
export type ArkSettings = {
  /** Tasks of one model that run at a time: 10 for enterprises, 3 for persons; those beyond wait. */
  readonly concurrency: number;
  /** Creates a minute of one model: 600 for enterprises, 180 for persons. */
  readonly requestsPerMinute: number;
  /** Tasks that may wait. */
  readonly queued: number;
  /** Models that were taken offline are still there. */
  readonly retiredModels: boolean;
};

/** What Ark knows of a task beside what every upstream knows. */
export interface TaskDetails extends Parameters {
  readonly model: SeedanceModel;
  /** The ratio that came of it. */
  readonly shownRatio: string;
  /** Breaks a rule that is looked at only when the task is run. */
  readonly constraintBroken: boolean;
}

export type Task = Job<TaskDetails>;

export interface ArkContext extends UpstreamContext<ArkSettings, TaskDetails> {
  readonly region: Region;
}
