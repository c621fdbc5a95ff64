import { describe, expect, it } from 'vitest';
import { fallbackFor } from '../../src/engine/fallbackEvent.ts';
import type { Event } from '../../src/tasks/lifecycle.ts';
import { taskError } from '../../src/tasks/reasons.ts';

const STUCK = { type: 'failed', outcome: 'unknown', error: { reason: 'internal_error' } };
const refused: Event = { type: 'submit_refused', reason: 'rate_limited' } as Event;
const failed: Event = {
  type: 'failed',
  outcome: 'expired',
  error: taskError('expired', 'words'),
  detail: 'more',
};

describe('the fallback of a transition that the store refuses', () => {
  it('is the same without its message', () => {
    expect(fallbackFor({ ...refused, detail: 'words' } as Event)).toEqual(refused);
    const plain = fallbackFor(failed);
    expect(plain).toMatchObject({ type: 'failed', outcome: 'expired', error: { reason: 'expired' } });
    expect(plain).not.toHaveProperty('detail');
    expect(JSON.stringify(plain)).not.toMatch(/"words"|more/);
    expect(fallbackFor({ ...failed, detail: undefined } as never)).toEqual(plain);
    // Only the detail may be what the store refuses.
    expect(fallbackFor({ ...(plain as object), detail: 'more' } as Event)).toEqual(plain);
  });

  it('is the end of the task if nothing can be left out, and then there is none', () => {
    const ends = [
      refused,
      fallbackFor(failed),
      { type: 'submit_intended' },
      { type: 'submit_confirmed' },
      { type: 'upstream_succeeded' },
      { type: 'stored' },
    ] as Event[];
    for (const event of ends) {
      const stuck = fallbackFor(event);
      expect(stuck).toMatchObject(STUCK);
      expect(stuck && fallbackFor(stuck)).toBeUndefined();
    }
  });

  it.each([
    'work_started',
    'cancel_requested',
    'cancel_refused',
    'finished_late',
    'media_repaired',
    'deleted',
  ])('does not exist if the task continues without it: %s', (type) => {
    expect(fallbackFor({ type } as Event)).toBeUndefined();
  });
});
