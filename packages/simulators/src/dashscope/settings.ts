import type { Settings } from '../core/upstream.ts';

export interface WanSettings extends Settings {
  /** The region of this service. Models and keys belong to one region. */
  readonly region: string;
  /** Tasks that run at a time for one account and model. The others wait. */
  readonly concurrency: number;
  /** Submissions a second for one account and model. */
  readonly submitsPerSecond: number;
  /** Polls a second for one account, all its keys together. */
  readonly queriesPerSecond: number;
  /** Wrong parameters fail the submission instead of the task. */
  readonly checksAtSubmit: boolean;
  /** Refusals come with status 200. */
  readonly errorsInOk: boolean;
  /** The error of an account in the state `overdue`: `Arrearage`, or one of the three with status 429. */
  readonly billingError: string;
}

export const SETTINGS: WanSettings = {
  region: 'cn-beijing',
  // "Rate limits": Wan takes five submissions a second and runs five tasks of a model at a time.
  concurrency: 5,
  submitsPerSecond: 5,
  // "Asynchronous task management API": "20 QPS per Alibaba Cloud account (includes all RAM users)".
  queriesPerSecond: 20,
  // The service was seen to accept wrong parameters and to fail the task ("Field required: input.prompt").
  checksAtSubmit: false,
  errorsInOk: false,
  billingError: 'Arrearage',
};
