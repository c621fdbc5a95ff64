import { describe, expect, it } from 'vitest';
import { lookedUp } from '../../../src/providers/search/judge.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { eventually } from '../../support/eventually.ts';
import { createNodes, type Node } from '../../support/nodes/world.ts';

const phase =
  (...phases: Task['phase'][]) =>
  (task: Task) =>
    phases.includes(task.phase);
const joinedAgain = (node: Node) =>
  new Promise<void>((resolve) => {
    node.cluster.onLease((event) => event === 'joined' && resolve());
  });
describe('a submission that waits while its lease ends', () => {
  it('is not sent under the next lease: another node has sent it by then', async () => {
    const nodes = await createNodes({
      behaviour: (_prompt, id) => ({
        answers: ['in_progress'],
        start: [id === lostId ? 'answer_lost' : 'accepted'],
      }),
    });
    let lostId = '';
    const cutOff = await nodes.join();
    const started = cutOff.provider.hold('submit');
    const lost = await cutOff.submit();
    lostId = lost.id;
    const searching = cutOff.provider.hold('find');
    started.release();
    await nodes.upstream.seen(({ call, taskId }) => call === 'submit' && taskId === lostId);
    // Looks like the lost one, so it waits for that search.
    const { id } = await cutOff.submit();
    await nodes.until(id, phase('submitting'));
    const other = await nodes.join();
    const back = joinedAgain(cutOff);
    await nodes.cut(cutOff);
    await back;
    expect(await nodes.until(id, phase('running'))).toMatchObject({
      owner: other.cluster.node,
      attempt: { number: 2 },
    });
    searching.release();
    await cutOff.drain();
    expect(nodes.upstream.count('submit', id)).toBe(1);
  });
});

describe('two similar submissions on two nodes', () => {
  it('have one job each, although one is searched for while the other is being sent', async () => {
    let lostId = '';
    const nodes = await createNodes({
      behaviour: (_prompt, id) => ({
        answers: ['in_progress'],
        start: [id === lostId ? 'request_lost' : 'accepted', 'accepted'],
      }),
    });
    let looks = 0;
    const seeker = await nodes.join(({ store }) => ({
      store: {
        ...store,
        submittingLike(task) {
          looks += 1;
          return store.submittingLike(task);
        },
      },
    }));
    const listed = Promise.withResolvers<void>();
    const listing = Promise.withResolvers<void>();
    // This upstream tells jobs apart only by their request.
    seeker.provider.find = async ({ isKnown }) => {
      listing.resolve();
      await listed.promise;
      for (const { call, upstreamId } of nodes.upstream.records) {
        if (call === 'submit' && upstreamId && !(await isKnown(upstreamId)))
          return { found: true, upstreamId };
      }
      return lookedUp(undefined);
    };
    const other = await nodes.join();
    const held = seeker.provider.hold('submit');
    const lost = await seeker.submit();
    lostId = lost.id;
    held.release();
    await listing.promise;
    const start = other.provider.submit;
    const answer = Promise.withResolvers<void>();
    other.provider.submit = async (job, signal) => {
      const made = await start(job, signal);
      await answer.promise;
      return made;
    };
    const { id } = await other.submit();
    await nodes.upstream.seen(({ call, taskId }) => call === 'submit' && taskId === id);
    const before = looks;
    listed.resolve();
    await eventually(async () => {
      const task = await seeker.store.task(lost.id);
      expect(looks > before || task?.phase === 'running').toBe(true);
    });
    answer.resolve();
    const own = await nodes.until(id, phase('running'));
    const found = await nodes.until(lost.id, phase('running', 'failed'));
    expect(own.attempt?.upstreamId).toBe('one-2');
    expect(found).toMatchObject({ phase: 'running', attempt: { number: 2, upstreamId: 'one-3' } });
  });

  it('stay unchanged when their node shuts down while it waits to search', async () => {
    let lostId = '';
    const nodes = await createNodes({
      behaviour: (_prompt, id) => ({
        answers: ['in_progress'],
        start: [id === lostId ? 'request_lost' : 'accepted'],
      }),
    });
    const other = await nodes.join();
    const onItsWay = other.provider.hold('submit');
    await nodes.until((await other.submit()).id, phase('submitting'));
    const looked = Promise.withResolvers<void>();
    const leaving = await nodes.join(({ store }) => ({
      store: {
        ...store,
        async submittingLike(task) {
          const duplicates = await store.submittingLike(task);
          looked.resolve();
          return duplicates;
        },
      },
    }));
    const held = leaving.provider.hold('submit');
    const lost = await leaving.submit();
    lostId = lost.id;
    held.release();
    await looked.promise;
    await leaving.drain();
    expect((await other.store.task(lost.id))?.phase).toBe('submitting');
    onItsWay.release();
  });
});
