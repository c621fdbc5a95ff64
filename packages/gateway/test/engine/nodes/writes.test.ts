import { describe, expect, it } from 'vitest';
import type { Store } from '../../../src/store/store.ts';
import { OnetakeError } from '../../../src/tasks/errors.ts';
import { type Move, move } from '../../../src/tasks/lifecycle.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { eventually } from '../../support/eventually.ts';
import { createNodes } from '../../support/nodes/world.ts';

const WORKING = () => ({ answers: ['in_progress'] }) as const;
const away = () => new OnetakeError('store_unavailable', 503, 'The database is away.');

/** A store that makes a move and loses the answer, the first time that `is` is true; `then` runs in between. */
function losing(
  store: Store,
  is: (move: Move) => boolean,
  then: () => Promise<void> = async () => {},
): Store {
  let lost = false;
  async function write<T>(given: Move, made: () => Promise<T>): Promise<T> {
    const done = await made();
    if (lost || !is(given)) return done;
    lost = true;
    await then();
    throw away();
  }
  return {
    ...store,
    commit: (given, media) => write(given, () => store.commit(given, media)),
    claim: (given) => write(given, () => store.claim(given)),
    intend: (given, limit) => write(given, () => store.intend(given, limit)),
  };
}

describe('a write whose answer is lost', () => {
  it('is not answered from the old state in memory, and waiting clients are informed', async () => {
    const nodes = await createNodes({ limits: { inFlight: 0 } });
    const node = await nodes.join(({ store }) => ({
      store: losing(store, ({ task }) => task.phase === 'failed'),
    }));
    const task = await node.submit();
    const heard = new Promise<Task>((resolve) => {
      node.feed.onTask(task.id, (change) => resolve(change.task));
    });
    await expect(node.engine.cancel(task)).rejects.toMatchObject({ status: 503 });
    expect(await node.engine.read(task.id)).toMatchObject({ phase: 'failed' });
    expect(await heard).toMatchObject({ phase: 'failed' });
  });

  it('is recognised although a cancel request was stored after it', async () => {
    const nodes = await createNodes({ behaviour: WORKING });
    const other = await nodes.join();
    const driver = await nodes.join(({ store }) => ({
      store: losing(
        store,
        ({ task }) => task.phase === 'submitting',
        async () => {
          const task = await other.store.task(id);
          const wish = task && move(task, { type: 'cancel_requested' }, Date.now());
          if (wish) await other.store.commit(wish);
        },
      ),
    }));
    let id = '';
    driver.feed.onChange(({ task }) => {
      id = task.id;
    });
    await driver.submit();
    expect((await nodes.ends(id)).error).toMatchObject({ reason: 'cancelled' });
    expect(nodes.upstream.count('submit')).toBeLessThanOrEqual(1);
  });

  it('of an acceptance leaves a task that is driven once', async () => {
    const nodes = await createNodes();
    let accepted = '';
    const node = await nodes.join(({ store }) => ({
      store: {
        ...store,
        async accept(acceptance) {
          await store.accept(acceptance);
          accepted = acceptance.task.id;
          throw away();
        },
      },
    }));
    await expect(node.submit()).rejects.toMatchObject({ status: 503 });
    expect(await nodes.ends(accepted)).toMatchObject({ phase: 'succeeded' });
    expect(nodes.upstream.count('submit')).toBe(1);
  });
});

describe('an upstream id that another node stored', () => {
  it('is used although the driver learns of it only when it gives up the submission, and not by a message', async () => {
    const nodes = await createNodes({ behaviour: () => ({ start: ['answer_lost'], find: ['absent'] }) });
    let confirmed = false;
    const driver = await nodes.join(({ store }) => ({
      store: {
        ...store,
        async commit(given, media) {
          const task = await store.task(given.task.id);
          if (!confirmed && task?.phase === 'submitting') {
            const known = { type: 'submit_confirmed', upstreamId: 'one-1', working: false } as const;
            const confirmation = move(task, known, Date.now());
            // Under this node's own name, so that it gets no message.
            confirmed = confirmation !== undefined && (await store.commit(confirmation));
          }
          return store.commit(given, media);
        },
      },
    }));
    const { id } = await driver.submit();
    expect(await nodes.ends(id)).toMatchObject({ phase: 'succeeded', attempt: { number: 1 } });
    expect(confirmed).toBe(true);
    await eventually(() => expect(driver.engine.accounts()).toMatchObject([{ inFlight: 0 }]));
  });
});

describe('a cancel request that another node stored', () => {
  it('is carried out although the driver learns of it only when it writes a move, and not by a message', async () => {
    const nodes = await createNodes({ behaviour: WORKING });
    let noted = false;
    const driver = await nodes.join(({ store }) => ({
      store: {
        ...store,
        async commit(given, media) {
          if (!noted && given.task.startedAt !== undefined) {
            const task = await store.task(given.task.id);
            const wish = task && move(task, { type: 'cancel_requested' }, Date.now());
            // Under this node's own name, so that it gets no message.
            noted = wish !== undefined && (await store.commit(wish));
          }
          return store.commit(given, media);
        },
      },
    }));
    const { id } = await driver.submit();
    expect((await nodes.ends(id)).error).toMatchObject({ reason: 'cancelled' });
    expect(noted).toBe(true);
  });

  it('is carried out although the store is unavailable when the message arrives', async () => {
    const nodes = await createNodes({ behaviour: WORKING });
    let fails = 0;
    const driver = await nodes.join(({ store }) => ({
      store: {
        ...store,
        async task(id) {
          if (fails > 0) {
            fails -= 1;
            throw away();
          }
          return store.task(id);
        },
      },
    }));
    const other = await nodes.join();
    const { id } = await driver.submit();
    const running = await nodes.until(id, ({ startedAt }) => startedAt !== undefined);
    fails = 2;
    expect(await other.engine.cancel(running)).toMatchObject({ error: { reason: 'cancelled' } });
    expect(fails).toBe(0);
  });
});
