import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Intent } from '../../../src/engine/drive.ts';
import { newId } from '../../../src/tasks/ids.ts';
import { type Event, move } from '../../../src/tasks/lifecycle.ts';
import { isTerminal } from '../../../src/tasks/task.ts';
import {
  CANCEL_REQUESTED,
  type DrivenPhase,
  driving,
  FAILED,
  FINISHED,
  intended,
  type Pass,
  REFUSED,
} from './driving.ts';

describe('in any order of outcomes and events', () => {
  const OUTCOMES = [
    'moves',
    'is refused',
    'moves nothing',
    'waits',
    'fails',
    'fails after the write',
  ] as const;
  const HAPPENINGS = ['nothing', 'wake', 'cancel request', 'another driver', 'resumed anew'] as const;
  type Outcome = (typeof OUTCOMES)[number];
  type Happening = (typeof HAPPENINGS)[number];
  /** Half of the time the first of them, so that tasks get somewhere. */
  const mostly = <T>(all: readonly [T, ...T[]]) => fc.oneof(fc.constant(all[0]), fc.constantFrom(...all));
  const steps = fc.array(
    fc.record({ outcome: mostly(OUTCOMES), during: mostly(HAPPENINGS), after: mostly(HAPPENINGS) }),
    { minLength: 4, maxLength: 12 },
  );

  it('an intent is sent once, by the pass after the one that stored it, and a task has one loop', async () => {
    const { store, driver, activeTasks, passes, passesSoFar, stored, advance, intend } = await driving();
    let sent = 0;

    async function happens(what: Happening, id: string): Promise<void> {
      const active = activeTasks.get(id);
      if (!active) return;
      switch (what) {
        case 'nothing':
          return;
        case 'wake':
          active.wake?.();
          return;
        case 'cancel request': {
          const task = await store.task(id);
          const next = task && move(task, CANCEL_REQUESTED, task.createdAt);
          if (next) await store.commit(next);
          return;
        }
        case 'another driver':
          await store.adopt('another', 10);
          await activeTasks.refresh(active);
          return;
        case 'resumed anew': {
          driver.release(active);
          const task = await store.task(id);
          if (task && !isTerminal(task.phase)) driver.resume(task);
        }
      }
    }

    async function ends(pass: Pass, how: Outcome): Promise<void> {
      const { active, phase } = pass;
      const forward: Record<DrivenPhase, Event> = {
        accepted: intended(),
        submitting: { type: 'submit_confirmed', upstreamId: newId(), working: false },
        running: FINISHED,
        storing: FAILED,
      };
      if (how === 'moves' && phase === 'accepted') return void (await intend(pass).catch(pass.fail));
      if (how === 'moves' || how === 'fails after the write') await activeTasks.apply(active, forward[phase]);
      if (how === 'is refused') await activeTasks.apply(active, REFUSED);
      if (how === 'fails' || how === 'fails after the write') pass.fail(new Error(how));
      else pass.end(how === 'waits' ? 'waited' : undefined);
    }

    /** The pass in progress, if the task is driven. */
    async function nextPass(): Promise<Pass | undefined> {
      await passesSoFar();
      if (passes.every(({ isOver }) => isOver)) advance(60_000);
      await passesSoFar();
      return passes.find(({ isOver }) => !isOver);
    }

    await fc.assert(
      fc.asyncProperty(steps, async (given) => {
        passes.splice(0);
        const { id } = await stored();
        const task = await store.task(id);
        if (task) driver.start(task);
        const intents = new Set<Intent>();
        for (const { outcome, during, after } of given) {
          const pass = await nextPass();
          if (!pass) break;
          await happens(during, id);
          await ends(pass, outcome);
          await happens(after, id);
        }
        await passesSoFar();
        const left = activeTasks.get(id);
        if (left) driver.release(left);
        for (const pass of passes) pass.end();
        await passesSoFar();
        for (const [index, pass] of passes.entries()) {
          expect(pass.isDue).toBe(true);
          if (!pass.intent) continue;
          sent += 1;
          expect(pass.phase).toBe('submitting');
          expect(pass.intent.task.attempt?.number).toBe(pass.task.attempt?.number);
          expect(intents).not.toContain(pass.intent);
          intents.add(pass.intent);
          const before = passes.slice(0, index).findLast(({ active }) => active === pass.active);
          expect(before?.phase).toBe('accepted');
        }
      }),
      { numRuns: 100 },
    );
    expect(sent).toBeGreaterThan(20);
  });
});
