import type { Guards } from './guards.ts';
import type { At, Job, Row } from './world.ts';

/** The event that a driver writes at this place; `LEGAL` of `tasks/lifecycle.ts` below. */
export const EVENTS = {
  intending: 'submit_intended',
  confirming: 'submit_confirmed',
  refusing: 'submit_refused',
  'giving up': 'failed',
  finishing: 'succeeded',
} as const satisfies Partial<Record<At, string>>;
export type Writing = keyof typeof EVENTS;

/** `move` in `tasks/lifecycle.ts`, with storing and success in one. */
export function move(row: Row, at: Writing, job: Job, guards: Guards): Row | undefined {
  const to = (changes: Partial<Row>): Row => ({ ...row, ...changes, version: row.version + 1 });
  switch (EVENTS[at]) {
    case 'submit_intended':
      return row.phase === 'accepted' ? to({ phase: 'submitting', attempt: row.attempt + 1 }) : undefined;
    case 'submit_confirmed':
      if (row.phase === 'accepted' && !guards.intentFirst)
        return to({ phase: 'running', job, attempt: row.attempt + 1 });
      return row.phase === 'submitting' ? to({ phase: 'running', job }) : undefined;
    case 'submit_refused':
      return row.phase === 'submitting' ? to({ phase: 'accepted' }) : undefined;
    case 'failed':
      // `only: 'submitting'`.
      return row.phase === 'submitting' ? to({ phase: 'failed' }) : undefined;
    case 'succeeded':
      return row.phase === 'running' ? to({ phase: 'succeeded' }) : undefined;
  }
}

export const isWriting = (at: At): at is Writing => at in EVENTS;
