import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StoreRefused } from '../../../src/store/errors.ts';
import type { Store } from '../../../src/store/store.ts';
import { newId } from '../../../src/tasks/ids.ts';
import type { Event } from '../../../src/tasks/lifecycle.ts';
import { taskError } from '../../../src/tasks/reasons.ts';
import { INTENT, intended, moved } from './steps.ts';

/** Any sequence of UTF-16 units: NUL, other control characters, halves of pairs, all of Unicode; some of it huge. */
const anyText = fc
  .tuple(
    fc.array(
      fc.oneof(
        fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
        fc.string({ unit: 'binary' }),
        fc.constantFrom('\0', '\\u0000', '\\', '\ud83d', '\udc00', '"', "'", '\u2028', '内容违规'),
      ),
    ),
    fc.constantFrom(1, 1, 1, 5000),
  )
  .map(([parts, times]) => parts.join('').repeat(times));

/** Any message of an upstream is stored, with the meaning that it had. */
export function describeWords(name: string, open: () => Promise<Store>): void {
  describe(`${name}: messages of an upstream`, () => {
    it('of any kind and size are stored with each move, and read as the move has them', async () => {
      const store = await open();
      const anyEvent: fc.Arbitrary<Event> = fc.oneof(
        anyText.map((detail): Event => ({ type: 'submit_refused', detail })),
        fc.tuple(anyText, anyText).map(
          ([message, detail]): Event => ({
            type: 'failed',
            error: taskError('upstream_failed', message),
            outcome: 'failed',
            detail,
          }),
        ),
        anyText.map(
          (id): Event => ({
            type: 'submit_confirmed',
            upstreamId: `${id}${newId()}`,
            working: true,
          }),
        ),
      );
      await fc.assert(
        fc.asyncProperty(anyEvent, async (event) => {
          const move = moved(await intended(store), event);
          expect(await store.commit(move)).toBe(true);
          expect(await store.task(move.task.id)).toStrictEqual(move.task);
        }),
        { numRuns: 60 },
      );
    });

    it('that break a constraint are refused as such, because a retry would not help', async () => {
      const store = await open();
      await intended(store, { idempotencyKey: 'used' });
      const other = await intended(store);
      const refused = moved(other, { type: 'submit_refused' });
      await store.commit(refused);
      const again = moved(refused.task, { ...INTENT, idempotencyKey: 'used' });
      await expect(store.commit(again)).rejects.toBeInstanceOf(StoreRefused);
    });
  });
}
