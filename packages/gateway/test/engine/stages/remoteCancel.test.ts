import { describe, expect, it } from 'vitest';
import type { Event } from '../../../src/tasks/lifecycle.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { anAcceptance, aTask } from '../../support/builders.ts';
import type { WorldOptions } from '../../support/engineWorld.ts';
import { asNextDriver, nodeOfSeveral } from '../../support/nodes/oneOfSeveral.ts';

const PATIENCE_MS = 10_000;
const TOO_LATE = { code: 'wrong_state', status: 409 };
const WORKING: readonly Event[] = [
  { type: 'submit_intended', accountId: 'one', idempotencyKey: 'f'.repeat(32), upstreamModel: 'm' },
  { type: 'submit_confirmed', upstreamId: 'one-1', working: true },
];
const CANCELLED: Event = {
  type: 'failed',
  outcome: 'cancelled',
  error: { code: 499, reason: 'cancelled', message: 'The task was cancelled.' },
};
const FAILED: Event = {
  type: 'failed',
  outcome: 'failed',
  error: { code: 502, reason: 'upstream_failed', message: 'No.' },
};
const FINISHED: Event = { type: 'upstream_succeeded', result: { ref: 'r' } };

/** A task that another node drives, and a cancel request for it at this node. */
async function elsewhere({
  events = WORKING,
  parts,
}: {
  events?: readonly Event[];
  parts?: NonNullable<WorldOptions['parts']>;
} = {}) {
  const node = await nodeOfSeveral(parts ? { parts } : {});
  const { world } = node;
  const { id } = aTask();
  await world.store.accept(anAcceptance(aTask({ id, owner: 'another' })));
  await asNextDriver(world, id, ...events);
  let outcome: Task | { error: unknown } | undefined;
  const request = async () => {
    await world.engine.cancel(await world.task(id)).then(
      (task) => {
        outcome = task;
      },
      (error: unknown) => {
        outcome = { error };
      },
    );
  };
  return {
    ...node,
    id,
    /** Requests the cancel, and waits until that is stored. */
    async ask() {
      void request();
      await world.idle();
    },
    request,
    outcome: () => outcome,
    /** The driver writes, and sends a message. */
    async drive(...written: Event[]) {
      await asNextDriver(world, id, ...written);
      world.feed.publish({ task: await world.task(id), transition: true });
      await world.idle();
    },
  };
}

describe('cancelling a task that another node drives', () => {
  it('stores the request, informs this node’s listeners, and resolves once the driver has cancelled it', async () => {
    const { world, id, ask, outcome, drive } = await elsewhere();
    const heard: (number | undefined)[] = [];
    world.feed.onTask(id, ({ task, transition }) => transition && heard.push(task.cancelRequestedAt));
    await ask();
    const { cancelRequestedAt } = await world.task(id);
    expect(cancelRequestedAt).toBe(world.timers.now());
    expect(heard).toEqual([cancelRequestedAt]);
    expect(outcome()).toBeUndefined();
    await drive(CANCELLED);
    expect(outcome()).toMatchObject({ id, phase: 'failed', error: { reason: 'cancelled' } });
  });

  it('resolves after ten seconds at the latest, with the unchanged task', async () => {
    const { world, id, ask, outcome } = await elsewhere();
    await ask();
    await world.advance(PATIENCE_MS - 1);
    expect(outcome()).toBeUndefined();
    await world.advance(1);
    expect(outcome()).toMatchObject({ id, phase: 'running', cancelRequestedAt: expect.any(Number) });
  });

  it.each<[string, Event[], RegExp]>([
    ['the upstream cannot stop it', [{ type: 'cancel_refused' }], /past the point/],
    ['it has failed otherwise', [FAILED], /has failed already/],
    ['it is finished', [FINISHED, { type: 'cancel_refused' }], /past the point/],
  ])('is refused if %s', async (_why, events, words) => {
    const { ask, outcome, drive } = await elsewhere();
    await ask();
    await drive(...events);
    expect(outcome()).toMatchObject({ error: { ...TOO_LATE, message: expect.stringMatching(words) } });
  });

  it('continues to wait if the driver only makes progress', async () => {
    const events = [
      ...WORKING.slice(0, 1),
      { type: 'submit_confirmed', upstreamId: 'one-1', working: false },
    ] as const;
    const { world, ask, outcome, drive } = await elsewhere({ events });
    await ask();
    await drive({ type: 'work_started' });
    expect(outcome()).toBeUndefined();
    await world.advance(PATIENCE_MS);
    expect(outcome()).toMatchObject({ phase: 'running', startedAt: expect.any(Number) });
  });

  it('ignores messages that are older than its own write', async () => {
    const { world, id, ask, outcome, drive } = await elsewhere();
    const before = await world.task(id);
    await ask();
    world.feed.publish({ task: before, transition: true });
    await world.idle();
    expect(outcome()).toBeUndefined();
    await drive(CANCELLED);
    expect(outcome()).toMatchObject({ error: { reason: 'cancelled' } });
  });

  it('is refused at once if the video is being stored, and nothing is written', async () => {
    const { world, id, request, outcome } = await elsewhere({ events: [...WORKING, FINISHED] });
    const before = await world.task(id);
    await request();
    expect(outcome()).toMatchObject({
      error: { ...TOO_LATE, message: expect.stringMatching(/being stored/) },
    });
    expect(await world.task(id)).toEqual(before);
  });

  it('twice has the same effect as once, and waits for the first request', async () => {
    let commits = 0;
    const { ask, outcome, drive } = await elsewhere({
      events: [...WORKING, { type: 'cancel_requested' }],
      parts: ({ store }) => ({
        store: {
          ...store,
          commit(...given) {
            commits += 1;
            return store.commit(...given);
          },
        },
      }),
    });
    const before = commits;
    await ask();
    expect(commits).toBe(before);
    expect(outcome()).toBeUndefined();
    await drive(CANCELLED);
    expect(outcome()).toMatchObject({ error: { reason: 'cancelled' } });
  });

  it('finds what the driver wrote before anybody listened here, and leaves no timer', async () => {
    let over = false;
    let waiting = 0;
    const { id, request, outcome } = await elsewhere({
      parts: ({ store, timers }) => ({
        timers: {
          ...timers,
          after(ms, fire) {
            const cancel = timers.after(ms, fire);
            if (ms !== PATIENCE_MS) return cancel;
            waiting += 1;
            return () => {
              waiting -= 1;
              cancel();
            };
          },
        },
        store: {
          ...store,
          async commit(move, media) {
            const written = await store.commit(move, media);
            if (over || move.task.cancelRequestedAt === undefined) return written;
            over = true;
            await asNextDriver({ store }, move.task.id, CANCELLED);
            return written;
          },
        },
      }),
    });
    await request();
    expect(outcome()).toMatchObject({ id, error: { reason: 'cancelled' } });
    expect(waiting).toBe(0);
  });

  it('survives a store that cannot be read at that moment', async () => {
    let away = false;
    const { world, id, ask, outcome } = await elsewhere({
      parts: ({ store }) => ({
        store: {
          ...store,
          commit: async (move, media) => {
            const written = await store.commit(move, media);
            away = move.task.cancelRequestedAt !== undefined;
            return written;
          },
          task: (taskId) => (away ? Promise.reject(new Error('away')) : store.task(taskId)),
        },
      }),
    });
    await ask();
    expect(outcome()).toBeUndefined();
    await world.advance(PATIENCE_MS);
    expect(outcome()).toMatchObject({ id, cancelRequestedAt: expect.any(Number) });
  });

  describe('while the driver writes', () => {
    /** This many attempts to store the request fail. */
    const losing = (tries: number) => {
      const count = { tries: 0, losing: tries };
      const parts: NonNullable<WorldOptions['parts']> = ({ store }) => ({
        store: {
          ...store,
          commit(move, media) {
            if (move.task.cancelRequestedAt === undefined) return store.commit(move, media);
            count.tries += 1;
            return count.tries <= count.losing ? Promise.resolve(false) : store.commit(move, media);
          },
        },
      });
      return { count, parts };
    };

    it('is retried', async () => {
      const { count, parts } = losing(19);
      const { world, id, ask } = await elsewhere({ parts });
      await ask();
      expect(count.tries).toBe(20);
      expect((await world.task(id)).cancelRequestedAt).toBeDefined();
    });

    it('is given up after twenty attempts', async () => {
      const { count, parts } = losing(1000);
      const { request, outcome } = await elsewhere({ parts });
      await request();
      expect(count.tries).toBe(20);
      expect(outcome()).toMatchObject({ error: TOO_LATE });
    });

    it('reports the end of the task', async () => {
      let first = true;
      const { request, outcome } = await elsewhere({
        parts: ({ store }) => ({
          store: {
            ...store,
            async commit(move, media) {
              if (move.task.cancelRequestedAt === undefined || !first) return store.commit(move, media);
              first = false;
              await asNextDriver({ store }, move.task.id, CANCELLED);
              return false;
            },
          },
        }),
      });
      await request();
      expect(outcome()).toMatchObject({ error: { reason: 'cancelled' } });
    });
  });
});
