import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/store.ts';
import type { Task } from '../../src/tasks/task.ts';
import type { World, WorldOptions } from '../support/engineWorld.ts';
import { nodeOfSeveral } from '../support/nodes/oneOfSeveral.ts';

/** A node beside another, and the tasks that it transfers, by transfer. */
async function giving(
  options: WorldOptions = {},
  { local = false, commit }: { local?: boolean; commit?: (store: Store) => Store['commit'] } = {},
) {
  const transfers: string[][] = [];
  const { world, cluster } = await nodeOfSeveral({
    behaviour: () => ({ answers: ['in_progress'] }),
    ...options,
    parts: (parts) => ({
      ...options.parts?.(parts),
      accounts: parts.accounts.map((account) => ({ ...account, local })),
      store: {
        ...parts.store,
        ...(commit ? { commit: commit(parts.store) } : {}),
        transfer(from, to, tasks) {
          transfers.push(tasks.map(({ id }) => id));
          return parts.store.transfer(from, to, tasks);
        },
      },
    }),
  });
  cluster.living = ['node-1', 'another'];
  const stale: (string | undefined)[] = [];
  world.feed.onInvalidate((id) => stale.push(id));
  return { world, transfers, stale };
}

/** What a node transfers at once when it stops, and what only when all its work has ended. */
async function given({ world, transfers }: { world: World; transfers: string[][] }) {
  await world.engine.drain(10_000);
  return { atOnce: transfers[0] ?? [], atLast: transfers.slice(1).flat() };
}

const running = async (world: World, prompt?: string): Promise<Task> =>
  world.reaches((await world.submit(prompt)).id, 'running');

describe('a node that stops transfers', () => {
  it('waiting and running tasks at once, and forgets its state about them', async () => {
    const { world, transfers, stale } = await giving({ limits: { inFlight: 1 } });
    const first = await running(world);
    const waiting = await world.submit('waiting');
    await world.idle();
    stale.splice(0);
    const { atOnce, atLast } = await given({ world, transfers });
    expect(new Set(atOnce)).toEqual(new Set([first.id, waiting.id]));
    expect(atLast).toEqual([]);
    expect(new Set(stale)).toEqual(new Set([first.id, waiting.id]));
    expect((await world.task(first.id)).owner).toBe('another');
    expect(world.engine.accounts()).toMatchObject([{ inFlight: 0 }]);
  });

  it('tasks in download only after it has ended, and tasks that wait for their download at once', async () => {
    const { world, transfers } = await giving({
      behaviour: () => ({}),
      settings: { downloadConcurrency: 1 },
    });
    world.provider.hold('open');
    const fetched = await world.reaches((await world.submit('fetched')).id, 'storing');
    await world.idle();
    const waiting = await world.reaches((await world.submit('waiting')).id, 'storing');
    await world.idle();
    const { atOnce, atLast } = await given({ world, transfers });
    expect([atOnce, atLast]).toEqual([[waiting.id], [fetched.id]]);
  });

  it('tasks whose bytes wait on its disk for the storage only when all else has ended', async () => {
    const { world, transfers } = await giving({
      behaviour: (prompt) => (prompt === 'other' ? { answers: ['in_progress'] } : {}),
      parts: ({ storage }) => ({
        storage: {
          ...storage,
          write: async (key) => ({
            ...(await storage.write(key)),
            commit: () => Promise.reject(new Error('the bucket is away')),
          }),
        },
      }),
    });
    const { id } = await world.reaches((await world.submit()).id, 'storing');
    await world.advance(30_000);
    // The download has failed several times and waits for its next try.
    expect(await world.task(id)).toMatchObject({ phase: 'storing' });
    const other = await running(world, 'other');
    const { atOnce, atLast } = await given({ world, transfers });
    expect([atOnce, atLast]).toEqual([[other.id], [id]]);
  });

  it('tasks in submission only after it has ended', async () => {
    const { world, transfers } = await giving();
    const held = world.provider.hold('submit');
    const { id } = await world.reaches((await world.submit()).id, 'submitting');
    const drained = world.engine.drain(10_000);
    await new Promise((resolve) => setImmediate(resolve));
    held.release();
    await drained;
    expect(transfers.flat()).toEqual([id]);
    expect(await world.task(id)).toMatchObject({ phase: 'running', owner: 'another' });
  });

  it('tasks in cancellation only after it has ended', async () => {
    const { world, transfers } = await giving({
      behaviour: () => ({ answers: ['in_progress'], cancel: ['pending'] }),
    });
    const cancelled = await running(world, 'cancelled');
    await world.engine.cancel(cancelled);
    const other = await running(world, 'other');
    const { atOnce, atLast } = await given({ world, transfers });
    expect([atOnce, atLast]).toEqual([[other.id], [cancelled.id]]);
  });

  it('tasks whose transition is being written only after the write', async () => {
    const writing = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const { world, transfers } = await giving(
      {},
      {
        commit: (store) => async (move, media) => {
          if (move.task.startedAt !== undefined) {
            writing.resolve();
            await gate.promise;
          }
          return store.commit(move, media);
        },
      },
    );
    const { id, attempt } = await running(world);
    world.engine.hint('one', attempt?.upstreamId ?? '');
    await writing.promise;
    const drained = world.engine.drain(10_000);
    for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve));
    expect(transfers).toEqual([]);
    gate.resolve();
    await drained;
    expect(transfers).toEqual([[id]]);
  });

  it('jobs inside the node only when nothing else is left to do', async () => {
    const { world, transfers } = await giving({}, { local: true });
    const { id } = await running(world);
    const { atOnce, atLast } = await given({ world, transfers });
    expect([...atOnce, ...atLast]).toEqual([id]);
    expect(transfers).toHaveLength(1);
  });
});

describe('a hint', () => {
  it('about a job that is not driven here is sent to the other nodes, until the node stops', async () => {
    const { world, cluster } = await nodeOfSeveral();
    world.provider.sayHint('not-ours');
    expect(cluster.told).toEqual([{ kind: 'hint', account: 'one', upstreamId: 'not-ours' }]);
    await world.engine.drain(1000);
    world.provider.sayHint('not-ours');
    expect(cluster.told.filter(({ kind }) => kind === 'hint')).toHaveLength(1);
  });

  it('from another node makes the node poll the job, and is not passed on', async () => {
    const { world, cluster } = await nodeOfSeveral({ behaviour: () => ({ answers: ['in_progress'] }) });
    const { attempt } = await running(world);
    const { length } = cluster.told;
    cluster.hear({ kind: 'hint', account: 'one', upstreamId: attempt?.upstreamId ?? '' });
    cluster.hear({ kind: 'hint', account: 'one', upstreamId: 'not-ours' });
    await world.idle();
    expect(world.upstream.count('poll')).toBe(1);
    expect(cluster.told.slice(length).filter(({ kind }) => kind === 'hint')).toEqual([]);
  });
});

describe('a message of another node about a task', () => {
  it('makes the node read the task again if it is newer than the known state', async () => {
    let reads = 0;
    const { world, cluster } = await nodeOfSeveral({
      behaviour: () => ({ answers: ['in_progress'] }),
      parts: ({ store }) => ({
        store: {
          ...store,
          task(id) {
            reads += 1;
            return store.task(id);
          },
        },
      }),
    });
    const { id, version } = await running(world);
    await world.idle();
    reads = 0;
    cluster.hear({ kind: 'moved', tasks: [[id, version]] });
    cluster.hear({ kind: 'moved', tasks: [['video_other', version + 1]] });
    await world.idle();
    expect(reads).toBe(0);
    cluster.hear({ kind: 'moved', tasks: [[id, version + 1]] });
    await world.idle();
    expect(reads).toBe(1);
  });
});
