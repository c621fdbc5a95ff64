import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { soloCluster } from '../../../src/cluster/cluster.ts';
import {
  createDuplicateGuard,
  createRemoteDuplicateGuard,
} from '../../../src/engine/recovery/duplicateGuard.ts';
import type { Store } from '../../../src/store/store.ts';
import { aTask } from '../../support/builders.ts';
import { SETTINGS } from '../../support/engineParts.ts';
import { createManualCluster } from '../../support/manualCluster.ts';
import { createManualTimers } from '../../support/manualTimers.ts';

/** Work that runs until it is released, and a record of what has happened. */
function stage() {
  const happened: string[] = [];
  const work = (name: string) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const run = async () => {
      happened.push(`${name} begins`);
      await promise;
      happened.push(`${name} ends`);
    };
    return { run, release: resolve };
  };
  return { happened, work };
}

it('a search waits for the submissions in progress, and the next submission waits for the search', async () => {
  const duplicates = createDuplicateGuard();
  const { happened, work } = stage();
  const [first, second, search, late] = [work('first'), work('second'), work('search'), work('late')];
  const all = [
    duplicates.submitting('boat', first.run),
    duplicates.submitting('boat', second.run),
    duplicates.searching('boat', search.run),
    duplicates.submitting('boat', late.run),
  ];
  await turn();
  expect(happened).toEqual(['first begins', 'second begins']);
  first.release();
  await turn();
  expect(happened).not.toContain('search begins');
  second.release();
  await turn();
  expect(happened).toContain('search begins');
  expect(happened).not.toContain('late begins');
  search.release();
  late.release();
  await Promise.all(all);
  expect(happened.slice(-3)).toEqual(['search ends', 'late begins', 'late ends']);
});

it('searches run one after the other; different requests are not delayed', async () => {
  const duplicates = createDuplicateGuard();
  const { happened, work } = stage();
  const [one, two, other] = [work('one'), work('two'), work('other')];
  const all = [
    duplicates.searching('boat', one.run),
    duplicates.searching('boat', two.run),
    duplicates.searching('kite', other.run),
  ];
  await turn();
  expect(happened).toEqual(['one begins', 'other begins']);
  for (const { release } of [one, two, other]) release();
  await Promise.all(all);
  expect(happened.indexOf('two begins')).toBeGreaterThan(happened.indexOf('one ends'));
});

it('a search waits for a submission that has waited for the previous search', async () => {
  const duplicates = createDuplicateGuard();
  const { happened, work } = stage();
  const [one, late, two] = [work('one'), work('late'), work('two')];
  const first = duplicates.searching('boat', one.run);
  const submitted = duplicates.submitting('boat', late.run);
  one.release();
  await first;
  await turn();
  expect(happened.at(-1)).toBe('late begins');
  const second = duplicates.searching('boat', two.run);
  two.release();
  await turn();
  expect(happened.at(-1)).toBe('late begins');
  late.release();
  await Promise.all([submitted, second]);
  expect(happened.slice(-3)).toEqual(['late ends', 'two begins', 'two ends']);
});

it('a submission waits for every search that was requested before its turn', async () => {
  const duplicates = createDuplicateGuard();
  const { happened, work } = stage();
  const [one, late, two] = [work('one'), work('late'), work('two')];
  const first = duplicates.searching('boat', one.run);
  const submitted = duplicates.submitting('boat', late.run);
  const second = duplicates.searching('boat', two.run);
  one.release();
  await first;
  await turn();
  expect(happened.at(-1)).toBe('two begins');
  two.release();
  late.release();
  await Promise.all([submitted, second]);
  expect(happened.slice(-3)).toEqual(['two ends', 'late begins', 'late ends']);
});

it('a search waits for the remaining submissions after others have ended', async () => {
  const duplicates = createDuplicateGuard();
  const { happened, work } = stage();
  const [first, second, search, late] = [work('first'), work('second'), work('search'), work('late')];
  const ended = duplicates.submitting('boat', first.run);
  const goesOn = duplicates.submitting('boat', second.run);
  first.release();
  await ended;
  const searched = duplicates.searching('boat', search.run);
  await turn();
  expect(happened).not.toContain('search begins');
  second.release();
  await goesOn;
  // Arrives when the last submission has ended and the search is running.
  const submitted = duplicates.submitting('boat', late.run);
  await turn();
  expect(happened.at(-1)).toBe('search begins');
  search.release();
  late.release();
  await Promise.all([searched, submitted]);
  expect(happened.slice(-3)).toEqual(['search ends', 'late begins', 'late ends']);
});

it('work that fails delays nothing', async () => {
  const duplicates = createDuplicateGuard();
  const fails = async () => {
    throw new Error('lost');
  };
  await expect(duplicates.submitting('boat', fails)).rejects.toThrow('lost');
  await expect(duplicates.searching('boat', fails)).rejects.toThrow('lost');
  await expect(duplicates.submitting('boat', async () => 'through')).resolves.toBe('through');
});

describe('similar submissions of other nodes', () => {
  const CALL_MS = 10_000;

  /** What the store returns at each look; the last answer repeats. */
  function seeing(...looks: { id: string; version?: number; owner?: string }[][]) {
    const timers = createManualTimers();
    const stopping = new AbortController();
    let looked = 0;
    const twins = createRemoteDuplicateGuard({
      cluster: createManualCluster('me'),
      timers,
      settings: { ...SETTINGS, callTimeoutMs: CALL_MS },
      store: {
        ...({} as Store),
        async submittingLike() {
          const seen = looks[Math.min(looked, looks.length - 1)] ?? [];
          looked += 1;
          return seen.map(({ id, version = 1, owner = 'another' }) => ({ id, version, owner }));
        },
      },
    });
    let outcome: boolean | undefined;
    void twins.absent(aTask(), stopping.signal).then((absent) => {
      outcome = absent;
    });
    return {
      stopping,
      looked: () => looked,
      /** The result after so much time. */
      async after(ms: number) {
        const until = timers.now() + ms;
        await turn();
        while (timers.now() < until) {
          timers.moveTo(timers.now() + 500);
          await turn();
        }
        return outcome;
      },
    };
  }

  it('are waited for until the upstream id of each is stored', async () => {
    const search = seeing([{ id: 'a' }, { id: 'b' }], [{ id: 'b' }], []);
    expect(await search.after(0)).toBeUndefined();
    expect(await search.after(1500)).toBeUndefined();
    expect(await search.after(500)).toBe(true);
    expect(search.looked()).toBe(3);
  });

  it('do not count if this node makes them itself, or if there is no other node', async () => {
    expect(await seeing([{ id: 'a', owner: 'me' }]).after(0)).toBe(true);
    let asked = 0;
    const alone = createRemoteDuplicateGuard({
      cluster: soloCluster('me'),
      timers: createManualTimers(),
      settings: SETTINGS,
      store: {
        ...({} as Store),
        async submittingLike() {
          asked += 1;
          return [{ id: 'a', version: 1, owner: 'one before' }];
        },
      },
    });
    expect(await alone.absent(aTask(), new AbortController().signal)).toBe(true);
    expect(asked).toBe(0);
  });

  it('count as lost when they have been seen for longer than a call may take', async () => {
    const search = seeing([{ id: 'a' }]);
    expect(await search.after(CALL_MS - 1000)).toBeUndefined();
    expect(await search.after(1000)).toBe(true);
  });

  it('with a new attempt are new ones', async () => {
    const search = seeing(...Array.from({ length: 8 }, () => [{ id: 'a' }]), [{ id: 'a', version: 3 }]);
    expect(await search.after(CALL_MS + 5000)).toBeUndefined();
    expect(await search.after(5000)).toBe(true);
  });

  it('end the search without a result if new ones keep coming', async () => {
    const search = seeing(...Array.from({ length: 1000 }, (_, n) => [{ id: `${n}` }]));
    expect(await search.after(5 * CALL_MS - 1000)).toBeUndefined();
    expect(await search.after(1000)).toBe(false);
  });

  it('are no longer waited for once the node stops', async () => {
    const search = seeing([{ id: 'a' }]);
    expect(await search.after(0)).toBeUndefined();
    search.stopping.abort();
    expect(await search.after(0)).toBe(false);
    expect(search.looked()).toBe(1);
  });
});
