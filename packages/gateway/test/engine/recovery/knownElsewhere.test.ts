import { describe, expect, it } from 'vitest';
import { SendRefused, UpstreamError } from '../../../src/providers/provider.ts';
import type { Event } from '../../../src/tasks/lifecycle.ts';
import type { WorldOptions } from '../../support/engineWorld.ts';
import { asNextDriver, nodeOfSeveral } from '../../support/nodes/oneOfSeveral.ts';

const confirmed = (upstreamId: string): Event => ({ type: 'submit_confirmed', upstreamId, working: false });

describe('an upstream id that another node stores during the search for a lost submission', () => {
  /** Look number `look` is answered after another node has stored the id. */
  async function toldDuring(look: number, answer: 'unknown' | 'absent') {
    const { world, cluster } = await nodeOfSeveral({
      limits: { inFlight: 1 },
      behaviour: () => ({
        start: ['answer_lost'],
        answers: ['in_progress'],
        find: [...Array.from({ length: look - 1 }, () => 'unknown' as const), answer],
      }),
      provider: (provider) => ({
        ...provider,
        async find(...given) {
          const outcome = await provider.find?.(...given);
          if (world.upstream.count('find') === look) {
            const { id } = await submitted;
            await asNextDriver(world, id, confirmed('one-1'));
            const task = await world.task(id);
            cluster.hear({ kind: 'moved', tasks: [[id, task.version]] });
            while (world.engine.waiting(task) || (await world.engine.read(id))?.phase !== 'running')
              await new Promise(setImmediate);
          }
          if (!outcome) throw new UpstreamError('upstream_unavailable');
          return outcome;
        },
      }),
    });
    const submitted = world.submit();
    const { id } = await submitted;
    await world.submit('waits for its place');
    await world.advance(120_000);
    expect(world.upstream.count('find')).toBe(look);
    return { world, id };
  }

  it('is not overwritten by the unknown verdict', async () => {
    const { world, id } = await toldDuring(6, 'unknown');
    expect(await world.task(id)).toMatchObject({ phase: 'running', attempt: { upstreamId: 'one-1' } });
  });

  it('ends the search', async () => {
    const { world, id } = await toldDuring(2, 'unknown');
    expect(await world.task(id)).toMatchObject({ phase: 'running', attempt: { upstreamId: 'one-1' } });
  });

  it('keeps its place although the upstream says that there is no such job', async () => {
    const { world, id } = await toldDuring(1, 'absent');
    expect(await world.task(id)).toMatchObject({ phase: 'running', attempt: { number: 1 } });
    expect(world.engine.accounts()).toMatchObject([{ inFlight: 1 }]);
    expect(world.upstream.count('submit')).toBe(1);
  });
});

describe('a lost submission beside a similar one of another node', () => {
  /** At the looks in `twin`, another node's submission looks like this one. */
  async function searching(twin: (look: number) => boolean, options: WorldOptions = {}) {
    let looks = 0;
    const { world } = await nodeOfSeveral({
      behaviour: () => ({ start: ['answer_lost'], answers: ['in_progress'] }),
      settings: { callTimeoutMs: 10_000 },
      ...options,
      parts: ({ store }) => ({
        store: {
          ...store,
          async submittingLike() {
            looks += 1;
            return twin(looks) ? [{ id: `twin ${looks}`, version: 1, owner: 'another' }] : [];
          },
        },
      }),
    });
    const { id } = await world.submit();
    return { world, id };
  }

  it('is not searched for before the job of the other one is known', async () => {
    const { world, id } = await searching((look) => look <= 3);
    await world.idle();
    expect(world.upstream.count('find')).toBe(0);
    await world.advance(3000);
    expect(world.upstream.count('find')).toBe(1);
    expect(await world.task(id)).toMatchObject({ phase: 'running', attempt: { upstreamId: 'one-1' } });
  });

  it('is given up without a search if similar ones keep coming: the outcome is unknown', async () => {
    const { world, id } = await searching(() => true);
    await world.advance(60_000);
    expect(world.upstream.count('find')).toBe(0);
    expect((await world.task(id)).error?.reason).toBe('submission_unknown');
  });

  it('rejects a job that was found while a similar submission appeared, as long as that one is open', async () => {
    const { world, id } = await searching((look) => look >= 2 && look < 70);
    await world.idle();
    expect(world.upstream.count('find')).toBe(1);
    await world.advance(49_000);
    expect((await world.task(id)).attempt?.upstreamId).toBeUndefined();
    // Searched again, now without a similar submission.
    await world.advance(60_000);
    expect(world.upstream.count('find')).toBeGreaterThan(1);
    expect(await world.task(id)).toMatchObject({ phase: 'running', attempt: { upstreamId: 'one-1' } });
  });

  it('rejects a job that belongs to another task, and continues the search', async () => {
    const { world, cluster } = await nodeOfSeveral({
      behaviour: (prompt) => ({
        start: [prompt === 'lost' ? 'answer_lost' : 'accepted'],
        answers: ['in_progress'],
      }),
      provider: (provider) => ({
        ...provider,
        async find(...given) {
          const outcome = await provider.find?.(...given);
          if (!outcome) throw new UpstreamError('upstream_unavailable');
          return world.upstream.count('find') === 1 ? { found: true, upstreamId: 'one-1' } : outcome;
        },
      }),
    });
    const other = await world.submit('other');
    await world.idle();
    const lost = await world.submit('lost');
    await world.advance(3000);
    expect(await world.task(other.id)).toMatchObject({ phase: 'running', attempt: { upstreamId: 'one-1' } });
    expect(await world.task(lost.id)).toMatchObject({ phase: 'running', attempt: { upstreamId: 'one-2' } });
    expect(world.upstream.count('find')).toBe(2);
    expect(cluster.hasLease()).toBe(true);
  });
});

describe('a task that could not be submitted', () => {
  it('keeps its place and is not submitted again if its upstream id was stored in the meantime', async () => {
    let over = false;
    const { world, cluster } = await nodeOfSeveral({
      behaviour: () => ({ answers: [over ? 'succeeded' : 'in_progress'] }),
      provider: (provider) => ({
        ...provider,
        async submit() {
          throw new SendRefused();
        },
      }),
    });
    const { id } = await world.submit();
    await world.idle();
    await asNextDriver(world, id, confirmed('one-1'));
    const { attempt } = await world.task(id);
    const key = attempt?.idempotencyKey ?? '';
    const job = { account: 'one', taskId: id, key, upstreamId: 'one-1', outcome: 'accepted' };
    world.upstream.record({ call: 'submit', ...job });
    cluster.hear({ kind: 'moved', tasks: [[id, (await world.task(id)).version]] });
    await world.advance(2000);
    expect(await world.task(id)).toMatchObject({
      phase: 'running',
      attempt: { number: 1, upstreamId: 'one-1' },
    });
    expect(world.engine.accounts()).toMatchObject([{ inFlight: 1 }]);
    over = true;
    await world.advance(60_000);
    expect(world.engine.accounts()).toMatchObject([{ inFlight: 0 }]);
  });
});

describe('an upstream id that already belongs to another task', () => {
  it('does not fail a task that has got its own id in the meantime', async () => {
    const { world } = await nodeOfSeveral({
      behaviour: () => ({ answers: ['in_progress'] }),
      parts: ({ store }) => ({
        store: {
          ...store,
          async claim(given) {
            await asNextDriver({ store }, given.task.id, confirmed('one-7'));
            return 'taken';
          },
        },
      }),
    });
    const { id } = await world.submit();
    await world.advance(1000);
    expect(await world.task(id)).toMatchObject({ phase: 'running', attempt: { upstreamId: 'one-7' } });
  });
});
