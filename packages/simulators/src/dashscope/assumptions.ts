import { pace } from '../core/jobs/job.ts';
import type { Tier } from './tier.ts';

/** Behaviour that is not documented. Everything else names its source. */

/** The largest page of the list of tasks. Only the default is documented, but a service has a maximum. */
export const MAX_PAGE_SIZE = 100;

/**
 * Twenty requests a second are documented for the query of a task. Whether the list and the cancellation have limits of their own
 * is not documented. Here all three share one limit, which is the hardest case for a client.
 */
export const QUERY_BUCKET = 'query';

/** The error for an unknown model. "Error messages" has `ModelNotFound` with 404, but the video paths were seen to answer this. */
export const NO_MODEL = { status: 400, code: 'InvalidParameter', message: 'Model not exist.' } as const;

/** The error for a temporary `oss://` URL without the header that resolves it. Only the failure is documented. */
export const OSS_UNRESOLVED =
  'The provided URL does not appear to be valid: oss:// needs X-DashScope-OssResourceResolve';

/** Pixels of the ratios that only Wan 3 accepts. */
export const WAN_3_SIZES: Readonly<Record<Tier, Readonly<Record<string, string>>>> = {
  '480P': { '4:3': '736*544', '3:4': '544*736', '21:9': '960*416' },
  '720P': { '21:9': '1472*624' },
  '1080P': { '21:9': '2208*944' },
};

/** "Usually one to five minutes." For Wan 3 clients report fifteen and more. */
export const USUAL = pace(120, 300);
export const LONG = pace(240, 900);
