import type { Pace } from '../core/job.ts';

/** What no document says; everything else has its source beside it. */

/** Of the list of tasks: the documents give the default alone, and a service has a maximum. */
export const MAX_PAGE_SIZE = 100;

/** "Usually one to five minutes"; of Wan 3, clients tell of fifteen and more. */
export const USUAL: Pace = { queueMs: 5_000, runMs: 110_000, sigma: 0.4 };
export const LONG: Pace = { queueMs: 5_000, runMs: 220_000, sigma: 0.5 };
