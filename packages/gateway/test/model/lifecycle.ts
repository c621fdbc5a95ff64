import type { Guards } from './guards.ts';
import type { At, Job, Row } from './world.ts';

/** The event that a driver writes at this place; `LEGAL` of `tasks/lifecycle.ts` below. */
export const EVENTS = {
  intending: 'submit_intended',
  confirming: 'submit_confirmed',
  refusing: 'submit_refused',
  'giving up': 'failed',
  finishing: 'succeeded',
  cancelling: 'failed as cancelled',
} as const satisfies Partial<Record<At, string>>;
export type Writing = keyof typeof EVENTS;

/** `move` in `tasks/lifecycle.ts`, with storing and success in one. */
export function move(row: Row, at: Writing, job: Job, guards: Guards): Row | undefined {
  const to = (changes: Partial<Row>): Row => ({ ...row, ...changes, version: row.version + 1 });
  switch (at) {
    case 'intending':
      return row.phase === 'accepted' && !(row.isToBeCancelled && guards.intendsNoCancelled)
        ? to({ phase: 'submitting', attempt: row.attempt + 1 })
        : undefined;
    case 'confirming':
      if (row.phase === 'accepted' && !guards.intentFirst)
        return to({ phase: 'running', job, attempt: row.attempt + 1 });
      return row.phase === 'submitting' ? to({ phase: 'running', job }) : undefined;
    case 'refusing':
      return row.phase === 'submitting' ? to({ phase: 'accepted' }) : undefined;
    case 'giving up':
      // `only: 'submitting'`.
      return row.phase === 'submitting' ? to({ phase: 'failed' }) : undefined;
    case 'finishing':
      return row.phase === 'running' ? to({ phase: 'succeeded' }) : undefined;
    case 'cancelling':
      return row.phase === 'accepted' || row.phase === 'submitting' || row.phase === 'running'
        ? to({ phase: 'cancelled' })
        : undefined;
  }
}

/** `cancel_requested` in `tasks/lifecycle.ts`. */
export const withCancelRequest = (row: Row): Row | undefined =>
  (row.phase === 'accepted' || row.phase === 'submitting' || row.phase === 'running') && !row.isToBeCancelled
    ? { ...row, isToBeCancelled: true, version: row.version + 1 }
    : undefined;

export const isWriting = (at: At): at is Writing => at in EVENTS;
