import { afterAll, describe, expect, it } from 'vitest';
import { type Exploration, explore, written } from './explorer.ts';
import { ALL_GUARDS, type Guards } from './guards.ts';
import { ownershipModel } from './ownership.ts';
import type { Budget } from './world.ts';

/** More states than any exploration has. If one grows beyond it, look at the reason instead of waiting. */
const LIMIT = 250_000;

const check = (
  tasks: number,
  faults: Partial<Budget>,
  without: readonly (keyof Guards)[] = [],
): Exploration => explore(ownershipModel({ tasks, faults, without }), LIMIT);

/**
 * The faults, for one task and for two similar ones; each fault at any moment. The figure is a lower bound: a model
 * that no longer reaches its states proves nothing.
 */
const EXPLORED: readonly (readonly [tasks: number, faults: Partial<Budget>, statesAtLeast: number])[] = [
  [1, { losses: 1, crashes: 1 }, 30_000],
  [1, { losses: 1, requests: 2 }, 15_000],
  [1, { losses: 1, storeAnswers: 1, noPlaces: 1 }, 20_000],
  [1, { losses: 1, transfers: 1 }, 15_000],
  [1, { losses: 1, cancels: 1 }, 15_000],
  [1, { losses: 1, errors: 1 }, 10_000],
  [1, { drains: 1, timeouts: 1, requests: 1, storeAnswers: 1 }, 25_000],
  [1, { drains: 1, cancels: 1, storeAnswers: 1 }, 10_000],
  [1, { crashes: 2, storeAnswers: 1, refusals: 1 }, 5_000],
  [1, { crashes: 1, cancels: 1, errors: 1, storeAnswers: 1 }, 15_000],
  [1, { transfers: 1, cancels: 1, errors: 1, storeAnswers: 1 }, 10_000],
  [2, { crashes: 1 }, 20_000],
  [2, { requests: 3 }, 10_000],
  [2, { requests: 1, cancels: 1 }, 15_000],
  [2, { reusedIds: 1, requests: 1 }, 3_000],
  [2, { transfers: 1, requests: 1 }, 30_000],
];

const explored: string[] = [];
afterAll(() => console.info(explored.join('\n')));

describe('ownership, in every order of the steps of two nodes', () => {
  it.each(EXPLORED)('keeps its promises: %i task(s), %o', (tasks, faults, statesAtLeast) => {
    const { counterexample, states, steps, depth } = check(tasks, faults);
    expect(counterexample && written(counterexample)).toBeUndefined();
    explored.push(
      `${states} states, ${steps} steps, ${depth} deep: ${tasks} task(s), ${JSON.stringify(faults)}`,
    );
    expect(states).toBeGreaterThan(statesAtLeast);
  });
});

const TRACE = `\
  1. node A: is asked for task 1; it is sent to the store
  2. node A, task 1: the store carries out: acceptance
  3. node A, task 1: receives the answer of the store: acceptance written
  4. node A, task 1: its turn comes; the intent is sent to the store
  5. node A, task 1: the store carries out: submit_intended
  6. node A, task 1: receives the answer of the store: submit_intended written
  7. node A, task 1: decides to send
  8. node A: its lease is over, by its own watch
  9. the server releases the lock of lease 1
 10. node B: asks the store for tasks of dead nodes
 11. node B: the store carries out the adoption
 12. node B: receives the answer of the store: the adoption
 13. node B, task 1: looks upstream: certainly absent
 14. node A, task 1: sends the creating request of attempt 1
 15. node A, task 1: the creating request arrives upstream
 16. node B, task 1: the store carries out: submit_refused
 17. node B, task 1: receives the answer of the store: submit_refused written
 18. node B, task 1: its turn comes; the intent is sent to the store
 19. node B, task 1: the store carries out: submit_intended
 20. node B, task 1: receives the answer of the store: submit_intended written
 21. node B, task 1: decides to send
 22. node B, task 1: sends the creating request of attempt 2
 23. node B, task 1: the creating request arrives upstream
  => attempt 2 of task 1 makes one more job than there are tasks, and all are paid`;

const TWO_BILLS = /one more job than there are tasks/;
const TWICE = /reached the upstream twice/;
const OLDER = /answers that task 1 goes on, which has/;
const STUCK = /no fair steps lead from here/;
const GIVEN_UP = /is given up, and nothing was lost/;

/** What each guard is for: the faults that show it, and the promise that is broken without it. */
const TAKEN_OUT: readonly (readonly [
  guards: readonly (keyof Guards)[],
  tasks: number,
  faults: Partial<Budget>,
  broken: RegExp,
])[] = [
  [['fence'], 1, { losses: 1 }, TWO_BILLS],
  [['fenceAsksForTheTask'], 1, { losses: 1 }, TWO_BILLS],
  [['intentFirst'], 1, { crashes: 1 }, TWICE],
  [['sendsWithTokenOnly'], 1, { crashes: 1 }, TWICE],
  [['sendsWithTokenOnly'], 1, { errors: 1 }, TWICE],
  [['tokenOfCommittedIntent'], 1, { storeAnswers: 1 }, GIVEN_UP],
  [['tokenOfOnePass'], 1, { errors: 1 }, TWICE],
  [['sendsStoredIntent'], 1, { drains: 1 }, GIVEN_UP],
  [['searchFirst'], 1, { requests: 1 }, TWICE],
  [['absentWaits'], 1, { requests: 1 }, TWO_BILLS],
  [['foundWaits'], 2, { requests: 2 }, TWO_BILLS],
  [['jobIsOfOneAttempt'], 2, { reusedIds: 1 }, /two tasks have one job/],
  [['casOnVersion'], 1, { storeAnswers: 1, refusals: 1 }, GIVEN_UP],
  [['casOnVersion', 'casOnOwner'], 1, { losses: 1 }, OLDER],
  [['casOnVersion', 'casOnPhase'], 1, { losses: 1 }, /was failed and became running/],
  [['adoptionMovesTheVersion', 'casOnOwner'], 1, { losses: 1 }, OLDER],
  [['adoptsOfTheDeadAlone'], 1, {}, GIVEN_UP],
  [['nodeStopsFirst'], 1, { losses: 1 }, OLDER],
  [['readsUnderLease'], 1, { losses: 1 }, OLDER],
  [['confirmsForTheOwner'], 1, { losses: 1 }, /was learnt, and is written nowhere/],
  [['adopts'], 1, { crashes: 1 }, STUCK],
  [['searchesOwned'], 1, { transfers: 1 }, STUCK],
  [['endsWaits'], 1, { drains: 1, requests: 1 }, STUCK],
  [['readsWithoutPlace'], 1, { storeAnswers: 1, noPlaces: 1 }, GIVEN_UP],
  [['recognisesOwnWrite'], 1, { storeAnswers: 1, cancels: 1 }, GIVEN_UP],
  [['doubtsUntilNewer'], 1, { transfers: 1, storeAnswers: 1, errors: 1 }, OLDER],
  [['intendsNoCancelled'], 1, { cancels: 1 }, /was to be cancelled and is submitted/],
  [['cancelsInOnePhase'], 1, { cancels: 1 }, TWO_BILLS],
];

/**
 * Not needed for the promises: the version alone identifies a row, and every pass ends with a compare-and-set. The other conditions
 * are a second line of defence, and an outdated pass only costs time.
 */
const NOT_NEEDED: readonly (readonly [guards: readonly (keyof Guards)[], faults: Partial<Budget>])[] = [
  [['casOnOwner'], { losses: 1, storeAnswers: 1 }],
  [['casOnPhase'], { losses: 1, storeAnswers: 1 }],
  [['adoptionMovesTheVersion'], { losses: 1, storeAnswers: 1 }],
  [['wakesOnChange', 'reloadsWhenNothingMoved'], { losses: 1, storeAnswers: 1 }],
  [['wakesOnChange', 'reloadsWhenNothingMoved'], { crashes: 1, cancels: 1, errors: 1, storeAnswers: 1 }],
];

describe('ownership without a guard', () => {
  it.each(TAKEN_OUT)('breaks a promise: without %j', (without, tasks, faults, broken) => {
    const { counterexample } = check(tasks, faults, without);
    expect(counterexample?.what).toMatch(broken);
    expect(counterexample?.trace.length).toBeGreaterThan(2);
  });

  it('shows the shortest trace of steps', () => {
    const { counterexample } = check(1, { losses: 1 }, ['fence']);
    expect(counterexample && written(counterexample)).toBe(TRACE);
  });

  it.each(NOT_NEEDED)('keeps its promises: without %j, %o', (without, faults) => {
    const { counterexample, states } = check(1, faults, without);
    expect(counterexample && written(counterexample)).toBeUndefined();
    expect(states).toBeGreaterThan(10_000);
  });

  it('is tested for each guard', () => {
    const tested = [...TAKEN_OUT, ...NOT_NEEDED].flatMap(([guards]) => guards);
    expect(new Set(tested)).toEqual(new Set(Object.keys(ALL_GUARDS)));
  });
});
