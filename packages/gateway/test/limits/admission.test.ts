import { describe, expect, it } from 'vitest';
import type { AccountState } from '../../src/limits/account.ts';
import { createAdmission, type Waiter } from '../../src/limits/admission.ts';
import { aRequest, aTask } from '../support/builders.ts';
import { createManualTimers } from '../support/manualTimers.ts';

/** An account that the test controls. */
interface Fake {
  /** How often it was asked whether it is ready. */
  asked: number;
  readyInMs: number | undefined;
  load: number;
  taken: number;
  /** The models that it serves; all by default. */
  models: readonly string[] | undefined;
  /** The prompts of the tasks whose source it has; it may be used for any task by default. */
  sources: readonly string[] | undefined;
  ready(): void;
}

/** An admission over accounts that the test controls, and the admitted prompts, each with its account. */
function admitting(...given: Partial<Fake>[]) {
  const timers = createManualTimers();
  const admitted: string[] = [];
  const fakes: Fake[] = [];
  const states = given.map((changes, index) => {
    const fake: Fake = {
      asked: 0,
      readyInMs: 0,
      load: 0,
      taken: 0,
      models: undefined,
      sources: undefined,
      ready: () => undefined,
      ...changes,
    };
    fakes.push(fake);
    const state: Partial<AccountState> = {
      account: { id: `${index}` } as AccountState['account'],
      readyIn: () => {
        fake.asked += 1;
        return fake.readyInMs;
      },
      load: () => fake.load,
      take: () => {
        fake.taken += 1;
      },
      onReady: (listener) => {
        fake.ready = listener;
      },
    };
    return state as AccountState;
  });
  const admission = createAdmission({
    accounts: states,
    timers,
    mayUse: ({ task }, { account }) => {
      const { models, sources } = fakes[Number(account.id)] as Fake;
      const { model, prompt } = task.request;
      return (models?.includes(model) ?? true) && (sources?.includes(prompt) ?? true);
    },
  });
  const waiter = (prompt: string, { keyId = 'key', model = 'm' } = {}): Waiter => ({
    task: aTask({ keyId, request: aRequest({ prompt, model }) }),
    admitted: ({ account }) => admitted.push(`${prompt}@${account.id}`),
  });
  return {
    admission,
    admitted,
    accounts: fakes,
    states,
    timers,
    waiter,
    enqueue(prompt: string, where: { keyId?: string; model?: string; front?: boolean } = {}) {
      const waiting = waiter(prompt, where);
      admission.enqueue(waiting, where.front);
      return waiting;
    },
    /** An account has at least one free place. */
    free(index = 0, places = 1) {
      const account = fakes[index] as Fake;
      const { taken } = account;
      Object.defineProperty(account, 'readyInMs', {
        configurable: true,
        get: () => (account.taken < taken + places ? 0 : undefined),
      });
      account.ready();
    },
  };
}

describe('the account of a task', () => {
  it('is the first ready one, and a place on it is taken', () => {
    const { admitted, accounts, enqueue } = admitting({ readyInMs: 5 }, {}, {});
    enqueue('a');
    expect(admitted).toEqual(['a@1']);
    expect(accounts.map(({ taken }) => taken)).toEqual([0, 1, 0]);
  });

  it('is the least loaded of the ready ones', () => {
    const { admitted, enqueue } = admitting({ load: 0.5 }, { load: 0.2 }, { load: 0.3 });
    enqueue('a');
    expect(admitted).toEqual(['a@1']);
  });

  it('is neither one that must not be used nor one without a place', () => {
    const { admitted, enqueue } = admitting({ models: ['x'] }, { readyInMs: undefined }, { load: 9 });
    enqueue('a');
    expect(admitted).toEqual(['a@2']);
  });

  it('is waited for until the earliest time of all', () => {
    const { admitted, accounts, timers, enqueue } = admitting({ readyInMs: 50 }, { readyInMs: 30 });
    enqueue('a');
    expect(timers.nextAt()).toBe(timers.now() + 30);
    for (const account of accounts) account.readyInMs = 20;
    timers.moveTo(timers.now() + 30);
    expect(admitted).toEqual([]);
    for (const account of accounts) account.readyInMs = 0;
    timers.moveTo(timers.now() + 20);
    expect(admitted).toEqual(['a@0']);
    expect(timers.nextAt()).toBeUndefined();
  });

  it('is not waited for if none has a free place, and that is reported', () => {
    const { admitted, timers, enqueue, free } = admitting({ readyInMs: undefined });
    enqueue('a');
    expect(timers.nextAt()).toBeUndefined();
    free();
    expect(admitted).toEqual(['a@0']);
  });

  it('is waited for with a single timer', () => {
    const { timers, accounts, admitted, enqueue } = admitting({ readyInMs: 50 });
    enqueue('a');
    enqueue('b', { keyId: 'other' });
    const account = accounts[0] as Fake;
    account.readyInMs = undefined;
    account.ready();
    expect(timers.nextAt()).toBeUndefined();
    expect(admitted).toEqual([]);
  });
});

describe('the order of tasks', () => {
  const full = () => admitting({ readyInMs: undefined });

  it('is that of their arrival, key by key', () => {
    const { admitted, enqueue, free } = full();
    for (const prompt of ['a1', 'a2', 'a3']) enqueue(prompt, { keyId: 'a' });
    enqueue('b1', { keyId: 'b' });
    free(0, 1);
    free(0, 1);
    free(0, 9);
    expect(admitted).toEqual(['a1@0', 'b1@0', 'a2@0', 'a3@0']);
  });

  it('begins with one that was returned', () => {
    const { admitted, enqueue, free } = full();
    enqueue('a');
    enqueue('sent back', { front: true });
    free(0, 9);
    expect(admitted).toEqual(['sent back@0', 'a@0']);
  });

  it('has the other models of a key first if one was returned', () => {
    const { admitted, enqueue, free } = full();
    enqueue('a', { model: 'm' });
    enqueue('b', { model: 'n' });
    enqueue('sent back', { model: 'm', front: true });
    free(0, 9);
    expect(admitted).toEqual(['b@0', 'sent back@0', 'a@0']);
  });

  it('skips a model whose account is full, and a key that waits', () => {
    const { admitted, timers, enqueue } = admitting(
      { models: ['full'], readyInMs: undefined },
      { models: ['later'], readyInMs: 70 },
      { models: ['free'] },
      { models: ['soon'], readyInMs: 40 },
    );
    enqueue('a', { model: 'full' });
    enqueue('b', { model: 'later' });
    enqueue('c', { model: 'soon', keyId: 'other' });
    enqueue('d', { model: 'free' });
    expect(admitted).toEqual(['d@2']);
    expect(timers.nextAt()).toBe(timers.now() + 40);
  });
});

describe('a task that joins', () => {
  it('is compared with no other one, however many wait', () => {
    const { accounts, enqueue } = admitting({ readyInMs: undefined });
    for (let n = 0; n < 1000; n++) enqueue(`first ${n}`, { keyId: `key ${n}` });
    expect(accounts[0]?.asked).toBe(1000);
    for (let n = 0; n < 1000; n++) enqueue(`second ${n}`, { keyId: `key ${n}` });
    expect(accounts[0]?.asked).toBe(1000);
  });

  it('is admitted at once if only others must wait', () => {
    const { admitted, enqueue } = admitting({ models: ['full'], readyInMs: undefined }, { models: ['free'] });
    enqueue('a', { model: 'full' });
    enqueue('b', { model: 'free', keyId: 'other' });
    enqueue('c', { model: 'free' });
    expect(admitted).toEqual(['b@1', 'c@1']);
  });

  it('does not pass one that has waited, if the account became ready just now', () => {
    const { admitted, timers, accounts, enqueue } = admitting({ readyInMs: 30 });
    timers.after(30, () => {
      // The timer of the admission is due now, and has not fired.
      Object.defineProperty(accounts[0], 'readyInMs', {
        get: () => (accounts[0]?.taken === 0 ? 0 : undefined),
      });
      enqueue('b', { keyId: 'other' });
    });
    enqueue('a');
    timers.moveTo(timers.now() + 30);
    expect(admitted).toEqual(['a@0']);
  });

  it('shortens the wait of all if its account is ready sooner', () => {
    const { timers, enqueue } = admitting(
      { models: ['later'], readyInMs: 70 },
      { models: ['soon'], readyInMs: 40 },
    );
    enqueue('a', { model: 'later' });
    enqueue('b', { model: 'soon', keyId: 'other' });
    expect(timers.nextAt()).toBe(timers.now() + 40);
    enqueue('c', { model: 'later', keyId: 'third' });
    expect(timers.nextAt()).toBe(timers.now() + 40);
  });
});

describe('a waiting task', () => {
  it('can be admitted once those before it are removed, if it may use another account', () => {
    const { admission, admitted, enqueue } = admitting({ readyInMs: undefined }, { sources: ['b', 'c'] });
    const a = enqueue('a');
    enqueue('b');
    enqueue('c');
    enqueue('d');
    expect(admitted).toEqual([]);
    expect(admission.remove(a)).toBe(true);
    expect(admitted).toEqual(['b@1', 'c@1']);
  });

  it('can be removed, once', () => {
    const { admission, admitted, waiter, enqueue, free } = admitting({ readyInMs: undefined });
    const [a, b, c] = [enqueue('a'), enqueue('b'), enqueue('c', { keyId: 'other' })];
    expect(admission.remove(b)).toBe(true);
    expect(admission.remove(b)).toBe(false);
    expect(admission.remove(waiter('never'))).toBe(false);
    expect(admission.remove(waiter('never', { model: 'other' }))).toBe(false);
    expect(admission.remove(waiter('never', { keyId: 'nobody' }))).toBe(false);
    expect(admission.remove(a)).toBe(true);
    free(0, 9);
    expect(admitted).toEqual(['c@0']);
    expect(admission.remove(c)).toBe(false);
  });

  it('is not removed after the stop', () => {
    const { admission, enqueue } = admitting({ readyInMs: undefined });
    const waiting = enqueue('a');
    admission.stop();
    expect(admission.remove(waiting)).toBe(false);
  });

  it('is counted for the accounts that it could use, until no task is admitted any more', () => {
    const { admission, states, admitted, enqueue, free } = admitting(
      { readyInMs: undefined, models: ['m', 'n'] },
      { readyInMs: undefined, models: ['n'] },
    );
    for (const prompt of ['a', 'b']) enqueue(prompt, { model: 'm' });
    enqueue('c', { model: 'n' });
    enqueue('d', { model: 'n', keyId: 'other' });
    const waiting = () =>
      states.map((state) => admission.demand(state).map(({ key, waiting }) => [key, waiting] as const));
    expect(waiting()).toEqual([
      [
        ['key', 3],
        ['other', 1],
      ],
      [
        ['key', 1],
        ['other', 1],
      ],
    ]);
    free(0, 1);
    expect(waiting()[0]).toContainEqual(['key', 2]);
    admission.stop();
    expect(waiting()).toEqual([[], []]);
    free(0, 9);
    expect(admitted).toEqual(['a@0']);
  });
});
