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

/** Pixels of the ratios whose sizes are not documented. */
export const FURTHER_SIZES: Readonly<Record<Tier, Readonly<Record<string, string>>>> = {
  '480P': {
    '4:3': '736*544',
    '3:4': '544*736',
    '21:9': '960*416',
    '9:21': '416*960',
    '5:4': '704*560',
    '4:5': '560*704',
  },
  '540P': {},
  '720P': { '21:9': '1472*624', '9:21': '624*1472', '5:4': '1072*864', '4:5': '864*1072' },
  '1080P': { '21:9': '2208*944', '9:21': '944*2208', '5:4': '1616*1296', '4:5': '1296*1616' },
};

/** Source videos are not fetched. Each counts as this long, or as long as the result that is asked for. */
export const SOURCE_SECONDS = 5;

/**
 * What switches the sound of Vidu Q3 Ad. "Vidu reference video API reference" has it as `audio`, as clients report; a page of Qianwen for the
 * same endpoint calls it `sound_effect`.
 */
export const SOUND_OF_VIDU_AD = 'audio';

/** "Usually one to five minutes." For Wan 3 clients report fifteen and more. */
export const USUAL = pace(120, 300);
export const LONG = pace(240, 900);
