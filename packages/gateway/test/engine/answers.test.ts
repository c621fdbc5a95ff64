import { describe, expect, it } from 'vitest';
import { aMediaRow, aNewTask, START_OF_TIME } from '../support/builders.ts';
import { SETTINGS } from '../support/engineParts.ts';
import { createWorld, type WorldOptions } from '../support/engineWorld.ts';
import { nodeOfSeveral } from '../support/nodes/oneOfSeveral.ts';

const WORKING: WorldOptions = { behaviour: () => ({ answers: ['in_progress'] }) };
const KEY = { key: 'k', bodyHash: 'h', expiresAt: START_OF_TIME + 1000, projectId: 'project' };

describe('a submission', () => {
  it('is accepted as requested, with its hold and its inputs', async () => {
    const world = await createWorld({ limits: { inFlight: 0 } });
    const heard: unknown[] = [];
    world.feed.onChange((change) => heard.push(change));
    const input = aMediaRow({ kind: 'input', state: 'pending' });
    const asked = aNewTask({ media: [input] });
    const { task, replayed } = await world.engine.submit(asked);
    expect(replayed).toBe(false);
    const { projectId, keyId, request, price } = asked;
    expect(task).toEqual({
      id: expect.stringMatching(/^video_[0-9a-f]{32}$/),
      projectId,
      keyId,
      request,
      price,
      phase: 'accepted',
      version: 1,
      owner: 'node-1',
      createdAt: START_OF_TIME,
      deadlineAt: START_OF_TIME + SETTINGS.taskDeadlineMs,
    });
    expect(await world.task(task.id)).toEqual(task);
    expect(await world.ledger(task.id)).toEqual({ hold: price.holdMicros });
    expect(await world.store.mediaOf(task.id)).toMatchObject([
      { id: input.id, taskId: task.id, state: 'present' },
    ]);
    expect(heard).toEqual([{ task, transition: true }]);
    expect(world.engine.unfinished).toBe(1);
  });

  it('with a used key returns the same task, and creates none', async () => {
    const world = await createWorld({ limits: { inFlight: 0 } });
    const asked = aNewTask({ idempotency: KEY as never });
    const { task } = await world.engine.submit(asked);
    expect(await world.engine.submit(asked)).toEqual({ task, replayed: true });
    expect(world.engine.unfinished).toBe(1);
    expect(await world.engine.acceptedUnder('project', KEY)).toEqual(task);
    expect(await world.engine.acceptedUnder('project', { ...KEY, key: 'other' })).toBeUndefined();
  });

  it('with a key that was used for another body is refused', async () => {
    const world = await createWorld({ limits: { inFlight: 0 } });
    await world.engine.submit(aNewTask({ idempotency: KEY as never }));
    const conflict = { code: 'idempotency_conflict', status: 422 };
    const other = { ...KEY, bodyHash: 'other' };
    await expect(world.engine.submit(aNewTask({ idempotency: other as never }))).rejects.toMatchObject(
      conflict,
    );
    await expect(world.engine.acceptedUnder('project', other)).rejects.toMatchObject(conflict);
  });

  it('is refused while the gateway stops, and without a lease', async () => {
    const world = await createWorld();
    expect(world.engine.draining).toBe(false);
    const drained = world.engine.drain(1000);
    expect(world.engine.draining).toBe(true);
    await expect(world.submit()).rejects.toMatchObject({ status: 503 });
    await drained;
    const node = await nodeOfSeveral();
    node.cluster.freeze();
    await expect(node.world.submit()).rejects.toMatchObject({ status: 503 });
    expect(await node.world.store.listTasks({ projectId: 'project', limit: 1 })).toEqual([]);
  });

  it('is left to another driver if the lease is lost in the meantime', async () => {
    const node: Awaited<ReturnType<typeof nodeOfSeveral>> = await nodeOfSeveral({
      parts: ({ store }) => ({
        store: {
          ...store,
          async accept(acceptance) {
            const outcome = await store.accept(acceptance);
            node.cluster.freeze();
            return outcome;
          },
        },
      }),
    });
    const { id } = await node.world.submit();
    expect((await node.world.task(id)).phase).toBe('accepted');
    expect(node.world.engine.unfinished).toBe(0);
  });
});

describe('the state of a task', () => {
  it('comes from memory while the task is driven here, and may be cached', async () => {
    let reads = 0;
    const world = await createWorld({
      ...WORKING,
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
    const { id } = await world.submit();
    const task = await world.reaches(id, 'running');
    await world.idle();
    reads = 0;
    expect(await world.engine.read(id)).toEqual(task);
    expect(await world.engine.current(id)).toEqual({ task, keep: true });
    expect(reads).toBe(0);
    expect(await world.engine.read('video_none')).toBeUndefined();
    expect(await world.engine.current('video_none')).toBeUndefined();
    expect(reads).toBe(2);
  });

  it('comes from the store without a lease, and may only be cached if it is final', async () => {
    const { world, cluster } = await nodeOfSeveral(WORKING);
    const { id } = await world.submit();
    const task = await world.reaches(id, 'running');
    await world.idle();
    cluster.freeze();
    expect(await world.engine.current(id)).toEqual({ task: await world.task(id), keep: false });
    expect(task.id).toBe(id);
    cluster.freeze(false);
    await world.engine.cancel(task);
    expect(await world.engine.current(id)).toMatchObject({ task: { phase: 'failed' }, keep: true });
  });

  it('has the progress from its driver, and never less than another node reported', async () => {
    const { world, cluster } = await nodeOfSeveral({ behaviour: () => ({ answers: [{ progress: 40 }] }) });
    const { id } = await world.submit();
    await world.reaches(id, 'running');
    expect(world.engine.live('video_none')).toBeUndefined();
    cluster.hear({
      kind: 'progress',
      tasks: [
        ['video_other', 7, 1000],
        [id, 60, 1000],
      ],
    });
    expect(world.engine.live('video_other')).toMatchObject({ percent: 7 });
    await world.advance(20_000);
    const live = world.engine.live(id);
    expect(live?.percent).toBe(60);
    expect(live?.expectedAt).not.toBe(START_OF_TIME + 1000);
  });
});

describe('the state of accounts', () => {
  it('has the number of tasks in flight, and the limit', async () => {
    const world = await createWorld({ ...WORKING, limits: { inFlight: 3 }, accounts: ['one', 'two'] });
    const { id } = await world.submit();
    await world.reaches(id, 'running');
    const known = { places: 3, blocked: false };
    expect(world.engine.accounts()).toMatchObject([
      { id: 'one', inFlight: 1, placesUsed: 1, ...known },
      { id: 'two', inFlight: 0, placesUsed: 0, ...known },
    ]);
  });
});

describe('a task that uses another one', () => {
  it('goes to the account that has the other one', async () => {
    const world = await createWorld({ ...WORKING, accounts: ['one', 'two', 'three'] });
    const { request } = aNewTask();
    const source = { taskId: 'video_x', accountId: 'two', upstreamId: 'u' } as never;
    for (let n = 0; n < 3; n++) {
      const { task } = await world.engine.submit({ ...aNewTask(), request: { ...request, source } });
      expect((await world.reaches(task.id, 'running')).attempt?.accountId).toBe('two');
    }
    const { task } = await world.engine.submit({
      ...aNewTask(),
      request: { ...request, source: { taskId: 'video_x', accountId: 'gone', upstreamId: 'u' } as never },
    });
    await world.advance(60_000);
    expect((await world.task(task.id)).phase).toBe('accepted');
  });
});
