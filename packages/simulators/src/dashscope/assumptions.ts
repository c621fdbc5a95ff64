import type { Pace } from '../core/jobs/job.ts';
import type { Tier } from './tier.ts';

/** What no document says; everything else has its source beside it. */

/** Of the list of tasks: the documents give the default alone, and a service has a maximum. */
export const MAX_PAGE_SIZE = 100;

/**
 * Twenty requests a second are documented for the query of a task; whether the list and the cancellation have a limit of
 * their own is not. Here all three share it, which is the hardest case for a client.
 */
export const QUERY_BUCKET = 'query';

/** Of a model that is not there. "Error messages" has `ModelNotFound` under 404; the video paths were seen to say this. */
export const NO_MODEL = { status: 400, code: 'InvalidParameter', message: 'Model not exist.' } as const;

/** What a temporary `oss://` address comes to where the header that resolves it is missing: only that it fails is told. */
export const OSS_UNRESOLVED =
  'The provided URL does not appear to be valid: oss:// needs X-DashScope-OssResourceResolve';

/** Pixels of the ratios that only Wan 3 can be asked for. */
export const WAN_3_SIZES: Readonly<Record<Tier, Readonly<Record<string, string>>>> = {
  '480P': { '4:3': '736*544', '3:4': '544*736', '21:9': '960*416' },
  '720P': { '21:9': '1472*624' },
  '1080P': { '21:9': '2208*944' },
};

/** "Usually one to five minutes"; of Wan 3, clients tell of fifteen and more. */
export const USUAL: Pace = { queueMs: 5_000, runMs: 110_000, sigma: 0.4 };
export const LONG: Pace = { queueMs: 5_000, runMs: 220_000, sigma: 0.5 };
