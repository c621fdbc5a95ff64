import { describe, expect, it } from 'vitest';
import type { Store } from '../../../src/store/store.ts';
import type { Event } from '../../../src/tasks/lifecycle.ts';
import { openUpstream } from '../../providers/openai/world.ts';
import type { createManualCluster } from '../../support/manualCluster.ts';
import { asNextDriver, nodeOfSeveral } from '../../support/nodes/oneOfSeveral.ts';

const REFUSED: Event = { type: 'submit_refused' };
const INTENDED: Event = {
  type: 'submit_intended',
  accountId: 'one',
  idempotencyKey: 'f'.repeat(32),
  upstreamModel: 'upstream-model',
};
const confirmed = (upstreamId: string): Event => ({ type: 'submit_confirmed', upstreamId, working: false });
const EXPIRED: Event = {
  type: 'failed',
  outcome: 'expired',
  error: { code: 504, reason: 'expired', message: 'expired' },
};

/** The request for the upstream's time does not count, because it creates nothing. */
const isCall = ({ method }: { readonly method: string }): boolean => method !== 'HEAD';

describe('a lease that is lost between the intent and the call', () => {
  const afterIntent = (store: Store, then: () => void): Store => ({
    ...store,
    async commit(given, media) {
      const done = await store.commit(given, media);
      if (given.task.phase === 'submitting') then();
      return done;
    },
  });

  it('lets no byte go upstream; with a new lease the task continues as if it had not had its turn', async () => {
    const { simulators, provider } = await openUpstream('openai');
    let once = true;
    const { world, cluster } = await nodeOfSeveral({
      provider: () => provider,
      parts: ({ store }) => ({
        upstreamModel: () => 'sora-2',
        store: afterIntent(store, () => {
          if (once) cluster.freeze();
          once = false;
        }),
      }),
    });
    const { id } = await world.submit();
    await world.idle();
    expect(await world.task(id)).toMatchObject({ phase: 'submitting', attempt: { number: 1 } });
    expect(simulators.ledger.requests().filter(isCall)).toEqual([]);
    cluster.freeze(false);
    await world.advance(1000);
    await expect.poll(() => simulators.ledger.jobs()).toHaveLength(1);
    await expect.poll(() => world.task(id)).toMatchObject({ phase: 'running', attempt: { number: 2 } });
  });

  it('is noticed before the adapter is called', async () => {
    let asked = 0;
    const { world, cluster } = await nodeOfSeveral({
      parts: ({ store }) => ({ store: afterIntent(store, () => cluster.freeze()) }),
      provider: (provider) => ({
        ...provider,
        submit(...given) {
          asked += 1;
          return provider.submit(...given);
        },
      }),
    });
    await world.submit();
    await world.idle();
    expect(asked).toBe(0);
  });

  it.each<[string, (cluster: ReturnType<typeof createManualCluster>) => void]>([
    ['cannot be proved', (cluster) => cluster.freeze()],
    ['is over', (cluster) => cluster.lose()],
    [
      'is another one by then',
      (cluster) => {
        cluster.lose();
        cluster.rejoin('node-2');
      },
    ],
  ])('is noticed by the adapter at the last moment if it %s', async (_how, happens) => {
    const { simulators, provider } = await openUpstream('openai');
    const { world, cluster } = await nodeOfSeveral({
      provider: () => ({
        ...provider,
        submit(job, sending) {
          happens(cluster);
          return provider.submit(job, sending);
        },
      }),
      parts: () => ({ upstreamModel: () => 'sora-2' }),
    });
    const { id } = await world.submit();
    await world.advance(10_000);
    expect(simulators.ledger.requests().filter(isCall)).toEqual([]);
    expect((await world.task(id)).attempt?.upstreamId).toBeUndefined();
    expect(world.engine.accounts()).toMatchObject([{ blocked: false }]);
  });
});

describe('an answer that arrives after the lease was lost', () => {
  /** The answer to attempt 1 arrives after `events` of its next driver have changed its task. */
  async function lateAnswer(...events: Event[]) {
    const { world, cluster, logged } = await nodeOfSeveral({
      behaviour: () => ({ answers: ['in_progress'] }),
    });
    const held = world.provider.hold('submit');
    const { id } = await world.submit();
    await world.reaches(id, 'submitting');
    cluster.lose();
    await asNextDriver(world, id, ...events);
    const before = await world.task(id);
    held.release();
    await world.upstream.seen(({ call }) => call === 'submit');
    await world.idle();
    const complaints = logged.filter((line) => line.upstreamId === 'one-1' && line.task === id);
    return { before, after: await world.task(id), complaints };
  }

  it('stores the id in the attempt, for the next driver', async () => {
    const { after, complaints } = await lateAnswer();
    expect(after).toMatchObject({ phase: 'running', attempt: { number: 1, upstreamId: 'one-1' } });
    expect(complaints).toEqual([]);
  });

  it('does not store that the work has begun: the next driver would report less', async () => {
    const { world, cluster } = await nodeOfSeveral({
      provider: (provider) => ({
        ...provider,
        submit: async (...given) => ({ ...(await provider.submit(...given)), state: 'in_progress' }),
      }),
    });
    const held = world.provider.hold('submit');
    const { id } = await world.submit();
    await world.reaches(id, 'submitting');
    cluster.lose();
    held.release();
    await world.upstream.seen(({ call }) => call === 'submit');
    await world.idle();
    const task = await world.task(id);
    expect(task).toMatchObject({ phase: 'running', attempt: { upstreamId: 'one-1' } });
    expect(task.startedAt).toBeUndefined();
  });

  it.each([
    ['another attempt is on its way', [REFUSED, INTENDED]],
    ['another attempt runs', [REFUSED, INTENDED, confirmed('one-2')]],
    ['the task waits for another attempt', [REFUSED]],
    ['the task is over', [EXPIRED]],
  ])('changes nothing if %s, and the log reports the abandoned job', async (_how, events) => {
    const { before, after, complaints } = await lateAnswer(...events);
    expect(after).toEqual(before);
    expect(complaints).toHaveLength(1);
  });

  it('is not stored in the attempt of the next driver, about which this node was told before the answer', async () => {
    const { world, cluster, logged } = await nodeOfSeveral({
      behaviour: () => ({ answers: ['in_progress'] }),
    });
    const held = world.provider.hold('submit');
    const { id } = await world.submit();
    await world.reaches(id, 'submitting');
    await world.store.adopt('another', 10);
    await asNextDriver(world, id, REFUSED, INTENDED);
    const before = await world.task(id);
    cluster.hear({ kind: 'moved', tasks: [[id, before.version]] });
    await world.idle();
    held.release();
    await world.upstream.seen(({ call }) => call === 'submit');
    await world.idle();
    expect(await world.task(id)).toEqual(before);
    expect(logged).toMatchObject([{ event: 'upstream.job_abandoned', task: id, upstreamId: 'one-1' }]);
  });

  it('is ignored if the next driver has found the job', async () => {
    const { before, after, complaints } = await lateAnswer(confirmed('one-1'));
    expect(after).toEqual(before);
    expect(complaints).toEqual([]);
  });

  it('is not believed if the job belongs to another task', async () => {
    const { world, cluster, logged } = await nodeOfSeveral({
      behaviour: () => ({ answers: ['in_progress'] }),
      provider: (provider) => ({
        ...provider,
        submit: async (...given) => ({ ...(await provider.submit(...given)), upstreamId: 'same' }),
      }),
    });
    const first = await world.submit('first');
    await world.idle();
    const held = world.provider.hold('submit');
    const second = await world.submit('second');
    await world.reaches(second.id, 'submitting');
    cluster.lose();
    held.release();
    await world.upstream.seen(({ call, taskId }) => call === 'submit' && taskId === second.id);
    await world.idle();
    expect(await world.task(first.id)).toMatchObject({ phase: 'running', attempt: { upstreamId: 'same' } });
    const task = await world.task(second.id);
    expect(task.phase).toBe('submitting');
    expect(task.attempt?.upstreamId).toBeUndefined();
    expect(logged.filter(({ upstreamId }) => upstreamId === 'same')).toHaveLength(1);
  });

  it('is stored once the store is available again', async () => {
    let away = 3;
    const { world, cluster } = await nodeOfSeveral({
      behaviour: () => ({ answers: ['in_progress'] }),
      parts: ({ store }) => ({
        store: {
          ...store,
          async claim(given) {
            if (away-- > 0) throw new Error('no connection');
            return store.claim(given);
          },
        },
      }),
    });
    const held = world.provider.hold('submit');
    const { id } = await world.submit();
    await world.reaches(id, 'submitting');
    cluster.lose();
    held.release();
    await world.upstream.seen(({ call }) => call === 'submit');
    await world.idle();
    expect((await world.task(id)).phase).toBe('submitting');
    await world.advance(5000);
    expect(await world.task(id)).toMatchObject({ phase: 'running', attempt: { upstreamId: 'one-1' } });
  });

  it('is stored although the next driver writes something in between', async () => {
    let noted = false;
    const { world, cluster } = await nodeOfSeveral({
      behaviour: () => ({ answers: ['in_progress'] }),
      parts: ({ store }) => ({
        store: {
          ...store,
          async claim(given) {
            if (!noted) await asNextDriver({ store }, given.task.id, { type: 'cancel_requested' });
            noted = true;
            return store.claim(given);
          },
        },
      }),
    });
    const held = world.provider.hold('submit');
    const { id } = await world.submit();
    await world.reaches(id, 'submitting');
    cluster.lose();
    const heard = new Promise<string>((resolve) => {
      world.feed.onChange(({ task }) => task.phase === 'running' && resolve(task.id));
    });
    held.release();
    expect(await heard).toBe(id);
    const task = await world.task(id);
    expect(task).toMatchObject({ phase: 'running', attempt: { upstreamId: 'one-1' } });
    expect(task.cancelRequestedAt).toBeDefined();
  });

  it('without a result does not affect the account at this node', async () => {
    const { world, cluster } = await nodeOfSeveral({ behaviour: () => ({ start: ['answer_lost'] }) });
    const held = world.provider.hold('submit');
    const { id } = await world.submit();
    await world.reaches(id, 'submitting');
    cluster.lose();
    held.release();
    await world.upstream.seen(({ call }) => call === 'submit');
    await world.idle();
    expect(world.engine.accounts()).toMatchObject([{ blocked: false, inFlight: 0 }]);
    expect(world.upstream.count('find')).toBe(0);
    expect((await world.task(id)).phase).toBe('submitting');
  });
});

describe('an account whose answer is lost together with the lease', () => {
  it('is tried first by the next task of this node alone', async () => {
    const { world, cluster } = await nodeOfSeveral({
      behaviour: (prompt) => ({
        start: [
          prompt === 'first'
            ? { refuse: 'upstream_unavailable' }
            : prompt === 'second'
              ? 'answer_lost'
              : 'accepted',
        ],
        answers: ['in_progress'],
      }),
    });
    const first = await world.submit('first');
    await world.idle();
    await world.engine.cancel(await world.task(first.id));
    const held = world.provider.hold('submit');
    const second = await world.submit('second');
    await world.reaches(second.id, 'submitting');
    cluster.lose();
    held.release();
    await world.upstream.seen(({ call, taskId }) => call === 'submit' && taskId === second.id);
    await world.idle();
    cluster.rejoin('node-2');
    const third = await world.submit('third');
    await world.advance(1000);
    expect((await world.task(third.id)).phase).toBe('running');
  });
});
