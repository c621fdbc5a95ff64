import { describe, expect, it } from 'vitest';
import type { Task } from '../../../src/tasks/task.ts';
import { eventually } from '../../support/eventually.ts';
import { ledgerInDatabase, sums } from '../../support/ledger.ts';
import { createNodes, type Node } from '../../support/nodes/world.ts';

const WORKING = () => ({ answers: ['in_progress'] }) as const;
const phase =
  (...phases: Task['phase'][]) =>
  (task: Task) =>
    phases.includes(task.phase);
const joinedAgain = (node: Node) =>
  new Promise<void>((resolve) => {
    const stop = node.cluster.onLease((event) => {
      if (event !== 'joined') return;
      stop();
      resolve();
    });
  });

describe('the tasks of a dead node', () => {
  it('are adopted by the other nodes in every phase, and none is submitted twice', async () => {
    const nodes = await createNodes({
      limits: { inFlight: 4 },
      behaviour: () => ({ answers: ['in_progress'] }),
    });
    const dying = await nodes.join();
    const tasks = await Promise.all(Array.from({ length: 10 }, (_, n) => dying.submit(`boat ${n}`)));
    await eventually(() => expect(nodes.upstream.count('submit')).toBe(4));
    const others = [await nodes.join(), await nodes.join()];
    await dying.kill();
    for (const { id } of tasks) {
      await nodes.until(id, ({ owner }) => others.some(({ cluster }) => cluster.node === owner));
    }
    const started = nodes.upstream.records.filter(({ call }) => call === 'submit');
    expect(new Set(started.map(({ taskId }) => taskId)).size).toBe(started.length);
  });

  it('end as they would have: with one video and one price', async () => {
    let over = false;
    const nodes = await createNodes({ behaviour: () => ({ answers: [over ? 'succeeded' : 'in_progress'] }) });
    const dying = await nodes.join();
    const { id } = await dying.submit();
    await nodes.until(id, phase('running'));
    const other = await nodes.join();
    await dying.kill();
    over = true;
    expect(await nodes.ends(id)).toMatchObject({ phase: 'succeeded', owner: other.cluster.node });
    expect(sums(await ledgerInDatabase(nodes.url, id))).toEqual({ hold: 400_000, capture: 400_000 });
    expect(nodes.upstream.count('submit')).toBe(1);
  });
});

describe('a node that joins', () => {
  it('takes its share of the load, although no node died', async () => {
    const nodes = await createNodes({ behaviour: WORKING });
    const first = await nodes.join();
    await Promise.all(Array.from({ length: 60 }, (_, n) => first.submit(`boat ${n}`)));
    await eventually(() => expect(nodes.upstream.count('submit')).toBe(60));
    const second = await nodes.join();
    const third = await nodes.join();
    await eventually(() => {
      const loads = [first, second, third].map(({ engine }) => engine.unfinished);
      expect(loads.reduce((sum, load) => sum + load)).toBe(60);
      expect(Math.min(...loads)).toBeGreaterThanOrEqual(12);
    });
    expect(nodes.upstream.count('submit')).toBe(60);
  });
});

describe('videos that wait for their download', () => {
  it('are shared with a node that joins, except those in progress', async () => {
    const nodes = await createNodes({ behaviour: () => ({ answers: ['succeeded'] }) });
    const first = await nodes.join();
    const held = first.provider.hold('open');
    const tasks = await Promise.all(Array.from({ length: 40 }, (_, n) => first.submit(`boat ${n}`)));
    for (const { id } of tasks) await nodes.until(id, phase('storing'));
    await nodes.join();
    // The new node has finished its own; the four that the first node has begun wait on.
    await eventually(() => expect(first.engine.unfinished).toBeLessThanOrEqual(24));
    held.release();
    for (const { id } of tasks) expect(await nodes.ends(id)).toMatchObject({ phase: 'succeeded' });
  });
});

describe('a node that shuts down', () => {
  it('hands its tasks over instead of waiting for them', async () => {
    const nodes = await createNodes({ limits: { inFlight: 3 }, behaviour: WORKING });
    const leaving = await nodes.join();
    const other = await nodes.join();
    const tasks = await Promise.all(Array.from({ length: 6 }, (_, n) => leaving.submit(`boat ${n}`)));
    await eventually(() => expect(nodes.upstream.count('submit')).toBe(3));
    await leaving.drain();
    const owners = await Promise.all(tasks.map(async ({ id }) => (await other.store.task(id))?.owner));
    expect(new Set(owners)).toEqual(new Set([other.cluster.node]));
    await eventually(() => expect(other.engine.unfinished).toBe(6));
  });
});

describe('a node whose lease is cut', () => {
  it('stops driving at once and rejoins under another name, and every task ends once', async () => {
    let over = false;
    const nodes = await createNodes({ behaviour: () => ({ answers: [over ? 'succeeded' : 'in_progress'] }) });
    const cutOff = await nodes.join();
    await nodes.join();
    const tasks = await Promise.all(Array.from({ length: 8 }, (_, n) => cutOff.submit(`boat ${n}`)));
    for (const { id } of tasks) await nodes.until(id, phase('running'));
    const before = cutOff.cluster.node;
    const back = joinedAgain(cutOff);
    await nodes.cut(cutOff);
    await back;
    expect(cutOff.cluster.node).not.toBe(before);
    over = true;
    for (const { id } of tasks) expect(await nodes.ends(id)).toMatchObject({ phase: 'succeeded' });
    expect(nodes.upstream.count('submit')).toBe(8);
  });

  it('while an upstream answers passes the upstream id, which only it knows, to the next driver', async () => {
    // No node can search for a lost submission here.
    const nodes = await createNodes({ behaviour: WORKING, abilities: ['cancel'] });
    const cutOff = await nodes.join();
    const held = cutOff.provider.hold('submit');
    const { id } = await cutOff.submit();
    await nodes.until(id, phase('submitting'));
    const lost = new Promise<void>((resolve) => {
      cutOff.cluster.onLease((event) => event === 'lost' && resolve());
    });
    await nodes.cut(cutOff);
    await lost;
    held.release();
    const task = await nodes.until(id, phase('running', 'failed'));
    expect(task).toMatchObject({ phase: 'running', attempt: { number: 1, upstreamId: 'one-1' } });
    expect(nodes.upstream.count('submit')).toBe(1);
  });

  it('is waited for by an adopter that cannot search, for as long as a call may take', async () => {
    const nodes = await createNodes({
      behaviour: WORKING,
      abilities: ['cancel'],
      settings: { callTimeoutMs: 60_000 },
    });
    const cutOff = await nodes.join();
    const held = cutOff.provider.hold('submit');
    const { id } = await cutOff.submit();
    await nodes.until(id, phase('submitting'));
    const other = await nodes.join();
    await nodes.cut(cutOff);
    await nodes.until(id, ({ owner }) => owner === other.cluster.node);
    held.release();
    expect(await nodes.until(id, phase('running', 'failed'))).toMatchObject({ phase: 'running' });
    await eventually(() => expect(nodes.upstream.count('poll', id)).toBeGreaterThan(0));
    expect(nodes.upstream.count('submit')).toBe(1);
  });

  it('accepts nothing until it has rejoined, and says so', async () => {
    const nodes = await createNodes();
    const node = await nodes.join();
    const refused = new Promise<unknown>((resolve) => {
      node.cluster.onLease((event) => {
        if (event === 'lost') resolve(node.submit().catch((error: unknown) => error));
      });
    });
    const back = joinedAgain(node);
    await nodes.cut(node);
    expect(await refused).toMatchObject({ code: 'not_connected', status: 503 });
    await back;
    await nodes.ends((await node.submit()).id);
  });
});

describe('a submission that was lost with its node', () => {
  it('is found by the next driver and not repeated', async () => {
    const nodes = await createNodes({ behaviour: WORKING });
    const dying = await nodes.join();
    const { id } = await dying.submit();
    await nodes.upstream.seen(({ call }) => call === 'submit');
    await nodes.join();
    await dying.kill();
    expect(await nodes.until(id, phase('running', 'failed'))).toMatchObject({ phase: 'running' });
    expect(nodes.upstream.count('submit')).toBe(1);
  });
});

describe('nodes whose clocks differ by ten minutes', () => {
  it.each([
    ['ahead', 600_000],
    ['behind', -600_000],
  ])('adopt the tasks of a node that is %s as usual', async (_name, skewMs) => {
    let over = false;
    const nodes = await createNodes({
      behaviour: (prompt) => ({
        start: [prompt === 'lost' ? 'answer_lost' : 'accepted'],
        answers: [over ? 'succeeded' : 'in_progress'],
      }),
    });
    const skewed = await nodes.join(() => ({
      clock: { now: () => Date.now() + skewMs },
    }));
    const finds = skewed.provider.hold('find');
    const running = await skewed.submit('running');
    const lost = await skewed.submit('lost');
    await nodes.until(running.id, phase('running'));
    await nodes.upstream.seen(({ call, taskId }) => call === 'submit' && taskId === lost.id);
    const other = await nodes.join();
    await skewed.kill();
    finds.release();
    over = true;
    for (const { id } of [running, lost]) {
      expect(await nodes.ends(id)).toMatchObject({ phase: 'succeeded', owner: other.cluster.node });
    }
    expect(nodes.upstream.count('submit')).toBe(2);
  });
});

describe('cancelling at a node that does not drive the task', () => {
  it('ends a running task and a waiting one', async () => {
    const nodes = await createNodes({ limits: { inFlight: 1 }, behaviour: WORKING });
    const driver = await nodes.join();
    const other = await nodes.join();
    const running = await driver.submit('running');
    await nodes.until(running.id, phase('running'));
    const waiting = await driver.submit('waiting');
    expect(await other.engine.cancel(waiting)).toMatchObject({ error: { reason: 'cancelled' } });
    expect(await other.engine.cancel(running)).toMatchObject({ error: { reason: 'cancelled' } });
    expect(nodes.upstream.count('submit')).toBe(1);
    expect(nodes.upstream.count('cancel')).toBe(1);
    expect(sums(await ledgerInDatabase(nodes.url, running.id))).toEqual({ hold: 400_000, release: 400_000 });
  });

  it('is answered with 409 if the upstream cannot cancel, and the task continues', async () => {
    const nodes = await createNodes({
      behaviour: () => ({ answers: ['in_progress'], cancel: ['too_late'] }),
    });
    const driver = await nodes.join();
    const other = await nodes.join();
    const { id } = await driver.submit();
    const running = await nodes.until(id, phase('running'));
    await expect(other.engine.cancel(running)).rejects.toMatchObject({ code: 'wrong_state', status: 409 });
    expect(await other.store.task(id)).toMatchObject({ phase: 'running' });
    expect((await other.store.task(id))?.cancelRequestedAt).toBeUndefined();
  });

  it('survives the death of the driver that should carry it out', async () => {
    const nodes = await createNodes({ behaviour: WORKING });
    const driver = await nodes.join();
    driver.provider.hold('submit');
    const { id } = await driver.submit();
    const submitting = await nodes.until(id, phase('submitting'));
    const other = await nodes.join();
    const cancelled = other.engine.cancel(submitting);
    await nodes.until(id, ({ cancelRequestedAt }) => cancelRequestedAt !== undefined);
    await driver.kill();
    expect((await nodes.ends(id)).error).toMatchObject({ reason: 'cancelled' });
    await cancelled;
    expect(nodes.upstream.count('submit')).toBe(0);
  });
});

describe('changes at one node', () => {
  it('reach the other nodes: transitions and progress', async () => {
    let answer: 'in_progress' | { progress: number } | 'succeeded' = 'in_progress';
    const nodes = await createNodes({ behaviour: () => ({ answers: [answer] }) });
    const driver = await nodes.join();
    const other = await nodes.join();
    const { id } = await driver.submit();
    const heard: Task['phase'][] = [];
    const over = new Promise<void>((resolve) => {
      other.feed.onTask(id, ({ task }) => {
        heard.push(task.phase);
        if (task.phase === 'succeeded') resolve();
      });
    });
    await nodes.until(id, ({ startedAt }) => startedAt !== undefined);
    answer = { progress: 40 };
    await eventually(() => expect(other.engine.live(id)?.percent).toBe(40));
    answer = 'succeeded';
    await over;
    expect(heard.at(-1)).toBe('succeeded');
    expect(other.engine.live(id)?.percent).toBe(40);
  });

  it('are never older in the driver’s memory than what other nodes have read', async () => {
    const nodes = await createNodes({ behaviour: () => ({ answers: ['in_progress', 'succeeded'] }) });
    const driver = await nodes.join();
    const other = await nodes.join();
    const tasks = await Promise.all(Array.from({ length: 20 }, (_, n) => driver.submit(`boat ${n}`)));
    let open = tasks.map(({ id }) => id);
    while (open.length > 0) {
      const still: string[] = [];
      for (const id of open) {
        const there = await other.engine.read(id);
        const here = await driver.engine.read(id);
        expect(here?.version).toBeGreaterThanOrEqual(there?.version ?? 0);
        if (here?.phase !== 'succeeded') still.push(id);
      }
      open = still;
    }
  });

  it('reach a job through any node that receives the callback', async () => {
    const nodes = await createNodes({ behaviour: WORKING });
    const driver = await nodes.join();
    const other = await nodes.join();
    const { id } = await driver.submit();
    const { attempt } = await nodes.until(id, phase('running'));
    const asked = driver.provider.hold('poll');
    const before = nodes.upstream.count('poll', id);
    asked.release();
    other.engine.hint('one', attempt?.upstreamId ?? '');
    await eventually(() => expect(nodes.upstream.count('poll', id)).toBeGreaterThan(before));
  });
});
