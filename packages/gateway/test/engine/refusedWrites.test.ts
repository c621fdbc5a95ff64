import { describe, expect, it } from 'vitest';
import type { EngineParts } from '../../src/engine/parts.ts';
import { StoreRefused } from '../../src/store/errors.ts';
import type { Move } from '../../src/tasks/lifecycle.ts';
import { createWorld } from '../support/engineWorld.ts';

/** A store that never accepts moves of a kind. */
const refusing = (is: (move: Move) => boolean) => ({
  parts: ({ store }: EngineParts): Partial<EngineParts> => ({
    store: {
      ...store,
      commit: (move, media) => {
        if (is(move)) return Promise.reject(new StoreRefused(new Error('no such character')));
        return store.commit(move, media);
      },
      claim: (move) => {
        if (is(move)) return Promise.reject(new StoreRefused(new Error('no such character')));
        return store.claim(move);
      },
    },
  }),
});

describe('a transition that the store refuses because of its values', () => {
  it('is written without the upstream’s message, and the task continues', async () => {
    const words = 'words that cannot be stored';
    const world = await createWorld({
      behaviour: () => ({ answers: [{ failed: 'upstream_failed', message: words }] }),
      ...refusing(({ task }) => JSON.stringify(task).includes(words)),
    });
    const task = await world.submit();
    const over = await world.ends(task.id);
    expect(over.error).toMatchObject({
      reason: 'upstream_failed',
      message: expect.stringContaining('see the log'),
    });
    expect(await world.ledger(task.id)).toMatchObject({ release: over.price.holdMicros });
  });

  it('ends the task if nothing can be left out, and releases the hold', async () => {
    const world = await createWorld(
      refusing(({ task }) => task.attempt?.upstreamId !== undefined && task.phase === 'running'),
    );
    const task = await world.submit();
    const over = await world.ends(task.id);
    expect(over.error?.reason).toBe('internal_error');
    expect(over.attempt?.outcome).toBe('unknown');
    expect(await world.ledger(task.id)).toMatchObject({ release: over.price.holdMicros });
    expect(world.upstream.count('submit')).toBe(1);
  });
});
