import type { Event } from '../tasks/lifecycle.ts';
import { taskError } from '../tasks/reasons.ts';

const WORDS = 'The upstream gave a reason that could not be stored; see the log of the gateway.';

/** How a task ends if the store rejects every form of its transition. */
const STUCK: Event = {
  type: 'failed',
  error: taskError(
    'internal_error',
    'The outcome of the task could not be stored; tell the operator the id of the task. Submit a new task if you want another try.',
  ),
  outcome: 'unknown',
};

/** Without one of these transitions a task would stay in its phase for ever. */
const ESSENTIAL: readonly Event['type'][] = [
  'submit_intended',
  'submit_confirmed',
  'submit_refused',
  'job_lost',
  'upstream_succeeded',
  'stored',
  'failed',
];

/**
 * The event to write instead of one whose values the store rejects: the same without its optional texts, or else the
 * failure of the task. Undefined if there is no simpler event.
 */
export function fallbackFor(event: Event): Event | undefined {
  if (event === STUCK || !ESSENTIAL.includes(event.type)) return undefined;
  if ((event.type === 'submit_refused' || event.type === 'job_lost') && event.detail !== undefined) {
    const { detail: _, ...rest } = event;
    return rest;
  }
  if (event.type === 'failed' && (event.detail !== undefined || event.error.message !== WORDS)) {
    const { detail: _, ...rest } = event;
    return { ...rest, error: taskError(event.error.reason, WORDS) };
  }
  return STUCK;
}
