import type { Event } from '../tasks/lifecycle.ts';
import { taskError } from '../tasks/reasons.ts';

const WORDS = 'The upstream gave a reason that could not be stored; see the log of the gateway.';

/** How a task ends that the store would not let go on. */
const STUCK: Event = {
  type: 'failed',
  error: taskError(
    'internal_error',
    'What became of the task could not be stored; tell the operator its id. Submit a new task if you want another try.',
  ),
  outcome: 'unknown',
};

/** Without these a task would stay where it is for ever. */
const ESSENTIAL: readonly Event['type'][] = [
  'submit_intended',
  'submit_confirmed',
  'submit_refused',
  'upstream_succeeded',
  'stored',
  'failed',
];

/**
 * What is written instead of a transition that the store refuses for its values: the same without words that it can do
 * without, else the end of the task. Undefined where nothing plainer is left.
 */
export function fallbackFor(event: Event): Event | undefined {
  if (event === STUCK || !ESSENTIAL.includes(event.type)) return undefined;
  if (event.type === 'submit_refused' && event.detail !== undefined) {
    const { detail: _, ...rest } = event;
    return rest;
  }
  if (event.type === 'failed' && (event.detail !== undefined || event.error.message !== WORDS)) {
    const { detail: _, ...rest } = event;
    return { ...rest, error: taskError(event.error.reason, WORDS) };
  }
  return STUCK;
}
