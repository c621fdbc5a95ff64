import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FleetMember } from '../../src/providers/account.ts';
import { type Provider, SendRefused, UpstreamError } from '../../src/providers/provider.ts';
import { statusOf } from '../../src/tasks/task.ts';
import { anAccount } from '../support/engineParts.ts';
import { createWorld, type World, type WorldOptions } from '../support/engineWorld.ts';
import { createRecordingProvider } from '../support/recordingProvider.ts';
import type { Behaviour } from '../support/servers/recordingUpstream.ts';

const LOST_AFTER_MS = 300_000;
const SILENT = () => new UpstreamError('upstream_unavailable', { created: 'no', detail: 'ECONNREFUSED' });

/** A fleet whose servers the test takes down. */
async function aFleet({
  member = {},
  places = [],
  limits = { inFlight: 2 },
  ...options
}: WorldOptions & { readonly member?: Partial<FleetMember>; readonly places?: readonly number[] } = {}) {
  const down = new Set<string>();
  const asked: string[] = [];
  const unless =
    <A extends unknown[], T>(account: string, call: (...given: A) => Promise<T>) =>
    async (...given: A): Promise<T> => {
      if (down.has(account)) throw SILENT();
      return call(...given);
    };
  const world: World = await createWorld({
    accounts: ['gpus.a', 'gpus.b'],
    limits,
    ...options,
    provider(recording, account): Provider {
      const provider = options.provider?.(recording, account) ?? recording;
      return {
        ...provider,
        submit: unless(account, provider.submit),
        poll: unless(account, provider.poll),
        open: unless(account, provider.open),
        ...(provider.find && { find: unless(account, provider.find) }),
        reach: unless(account, async () => void asked.push(account)),
      };
    },
    parts: ({ accounts }) => ({
      accounts: accounts.map((account, n) => ({
        ...account,
        limits: { ...account.limits, inFlight: places[n] ?? account.limits.inFlight },
        member: { fleet: 'gpus', server: `http://${account.id}`, lostAfterMs: LOST_AFTER_MS, ...member },
      })),
    }),
  });
  const accountOf = async (id: string) => (await world.task(id)).attempt?.accountId ?? '';
  const use = (id: string) => world.engine.accounts().find((account) => account.id === id);
  return { world, down, asked, accountOf, use };
}

const WORKING = (): Behaviour => ({ answers: ['in_progress'] });

describe('a fleet', () => {
  it('gives each task to the server that is the least loaded', async () => {
    const { world, accountOf } = await aFleet({ behaviour: WORKING });
    const tasks = [];
    for (let n = 0; n < 5; n++) {
      tasks.push(await world.submit());
      await world.idle();
    }
    const used = await Promise.all(tasks.map(({ id }) => accountOf(id)));
    expect(used.slice(0, 2).sort()).toEqual(['gpus.a', 'gpus.b']);
    expect(used.slice(2, 4).sort()).toEqual(['gpus.a', 'gpus.b']);
    // All four places are taken.
    expect(used[4]).toBe('');
  });

  it('gives no task to a server that is down, however many there are, and fails no task for it', async () => {
    const { world, down, accountOf, use } = await aFleet({ settings: { maxAttempts: 2 } });
    down.add('gpus.a');
    for (let n = 0; n < 6; n++) {
      const { id } = await world.submit(`boat ${n}`);
      expect((await world.ends(id)).phase).toBe('succeeded');
      expect(await accountOf(id)).toBe('gpus.b');
    }
    expect(use('gpus.a')).toMatchObject({ blocked: true, placesUsed: 0 });
    // Only the first one may have been sent there.
    expect(world.upstream.count('submit')).toBe(6);
  });

  it('notices by a poll that a server is down, and uses it again once it answers', async () => {
    const { world, down, accountOf, use } = await aFleet({ behaviour: WORKING });
    const { id } = await world.submit();
    await world.reaches(id, 'running');
    const first = await accountOf(id);
    down.add(first);
    await world.advance(60_000);
    expect(use(first)?.blocked).toBe(true);
    for (let n = 0; n < 2; n++) {
      const other = await world.submit();
      await world.reaches(other.id, 'running');
      expect(await accountOf(other.id)).not.toBe(first);
    }
    const waiting = await world.submit();
    await world.idle();
    expect((await world.task(waiting.id)).phase).toBe('accepted');
    down.delete(first);
    await world.reaches(waiting.id, 'running');
    expect(await accountOf(waiting.id)).toBe(first);
  });
});

describe('a job of a server that is down', () => {
  it('fails with a clear reason once the fleet has waited, and not before', async () => {
    const { world, down, accountOf, use } = await aFleet({ behaviour: WORKING });
    const { id } = await world.submit();
    await world.reaches(id, 'running');
    const account = await accountOf(id);
    down.add(account);
    await world.advance(LOST_AFTER_MS - 60_000);
    expect((await world.task(id)).phase).toBe('running');
    const failed = await world.ends(id);
    expect(failed.error).toMatchObject({ code: 502, reason: 'upstream_unavailable' });
    expect(failed.error?.message).toMatch(/server that worked on this task has not answered/);
    expect(failed.attempt).toMatchObject({
      number: 1,
      outcome: 'lost',
      detail: expect.stringContaining('ECONNREFUSED'),
    });
    expect(failed.attempt).not.toHaveProperty('placeUntil');
    expect(use(account)?.placesUsed).toBe(0);
    expect((await world.ledger(id)).release).toBe((await world.ledger(id)).hold);
  });

  it('goes on if the server answers in time, however often it is down', async () => {
    let over = false;
    const { world, down, accountOf } = await aFleet({
      behaviour: () => ({ answers: [over ? 'succeeded' : 'in_progress'] }),
    });
    const { id } = await world.submit();
    await world.reaches(id, 'running');
    const account = await accountOf(id);
    for (let times = 0; times < 3; times++) {
      down.add(account);
      await world.advance(LOST_AFTER_MS - 61_000);
      down.delete(account);
      await world.advance(61_000);
    }
    over = true;
    expect((await world.ends(id)).phase).toBe('succeeded');
  });

  it('fails if the server has forgotten it, as after a restart', async () => {
    const { world } = await aFleet({ behaviour: () => ({ answers: ['in_progress', 'missing'] }) });
    const { id } = await world.submit();
    const failed = await world.ends(id);
    expect(failed.error?.reason).toBe('upstream_failed');
    expect(failed.error?.message).toMatch(/does not know it any more/);
    expect((failed.completedAt ?? 0) - failed.createdAt).toBeGreaterThanOrEqual(LOST_AFTER_MS);
    expect((failed.completedAt ?? 0) - failed.createdAt).toBeLessThan(LOST_AFTER_MS + 180_000);
  });

  it.each([
    ['not made again', false],
    ['made again', true],
  ])(
    'is cancelled if the server has forgotten it because its client wanted that, where lost jobs are %s',
    async (_, resubmitUnknown) => {
      const { world } = await aFleet({
        member: { resubmitUnknown },
        behaviour: () => ({ answers: ['in_progress', 'missing'], cancel: ['pending'] }),
      });
      const { id } = await world.submit();
      await world.reaches(id, 'running');
      await world.engine.cancel(await world.task(id));
      expect((await world.ends(id)).error).toMatchObject({ code: 499, reason: 'cancelled' });
      expect(world.upstream.count('submit', id)).toBe(1);
    },
  );

  it('is not lost because this node cannot send', async () => {
    let mayNot = false;
    const { world } = await aFleet({
      behaviour: WORKING,
      provider: (provider) => ({
        ...provider,
        async poll(handle, signal) {
          if (mayNot) throw new SendRefused();
          return provider.poll(handle, signal);
        },
      }),
    });
    const { id } = await world.submit();
    await world.reaches(id, 'running');
    mayNot = true;
    await world.advance(2 * LOST_AFTER_MS);
    expect((await world.task(id)).phase).toBe('running');
  });

  it('of another account is polled until the deadline of its task', async () => {
    const world = await createWorld({ behaviour: () => ({ answers: [{ error: 'upstream_unavailable' }] }) });
    const { id } = await world.submit();
    await world.advance(3_500_000);
    expect((await world.task(id)).phase).toBe('running');
    expect((await world.ends(id)).error?.reason).toBe('expired');
  });

  it('is made again by another server if lost jobs are', async () => {
    let over = false;
    const { world, down, accountOf } = await aFleet({
      member: { resubmitUnknown: true },
      behaviour: () => ({ answers: [over ? 'succeeded' : 'in_progress'] }),
    });
    const { id } = await world.submit();
    await world.reaches(id, 'running');
    await world.advance(10_000);
    const account = await accountOf(id);
    down.add(account);
    const statuses = new Set<string>();
    world.feed.onTask(id, ({ task }) => void statuses.add(statusOf(task)));
    await world.advance(LOST_AFTER_MS + 60_000);
    over = true;
    const done = await world.ends(id);
    expect(done).toMatchObject({ phase: 'succeeded', attempt: { number: 2 } });
    expect(done.attempt?.accountId).not.toBe(account);
    // Its status never goes back.
    expect([...statuses]).toEqual(['in_progress', 'succeeded']);
    expect((await world.ledger(id)).capture).toBeGreaterThan(0);
    expect(world.upstream.count('submit', id)).toBe(2);
  });

  it('is made again only as often as a task may be submitted', async () => {
    const { world } = await aFleet({
      settings: { resubmitUnknown: true, maxAttempts: 3 },
      behaviour: () => ({ answers: ['in_progress', 'missing'] }),
    });
    const { id } = await world.submit();
    const failed = await world.ends(id);
    expect(failed).toMatchObject({ phase: 'failed', attempt: { number: 3, outcome: 'lost' } });
    expect(world.upstream.count('submit', id)).toBe(3);
  });
});

describe('a job of a server that is not configured any more', () => {
  it('is finished there after a restart, and gets no new tasks', async () => {
    let over = false;
    const { world, accountOf } = await aFleet({
      behaviour: () => ({ answers: [over ? 'succeeded' : 'in_progress'] }),
    });
    const tasks = [await world.submit(), await world.submit()];
    for (const { id } of tasks) await world.reaches(id, 'running');
    const onA = (await accountOf(tasks[0]?.id ?? '')) === 'gpus.a' ? tasks[0] : tasks[1];
    const asked: [string, string][] = [];
    const next = await world.restart({
      accounts: ['gpus.b'],
      limits: { inFlight: 2 },
      parts: () => ({
        async openFormer(id, server) {
          asked.push([id, server]);
          const provider = createRecordingProvider({ upstream: world.upstream, account: id });
          const member = { fleet: 'gpus', server, lostAfterMs: LOST_AFTER_MS, isRemoved: true };
          return { ...anAccount(provider, { id }), member };
        },
        servedBy: ({ member }) => !member?.isRemoved,
      }),
    });
    const more = [await next.submit(), await next.submit()];
    await next.idle();
    expect(asked).toEqual([['gpus.a', 'http://gpus.a']]);
    // One of the two places of the server that is left was taken already.
    expect((await Promise.all(more.map(({ id }) => next.task(id)))).map(({ phase }) => phase).sort()).toEqual(
      ['accepted', 'running'],
    );
    expect(next.engine.accounts().find(({ id }) => id === 'gpus.a')?.placesUsed).toBe(1);
    over = true;
    for (const { id } of [...tasks, ...more]) expect((await next.ends(id)).phase).toBe('succeeded');
    const polls = world.upstream.records.filter(({ call, taskId }) => call === 'open' && taskId === onA?.id);
    expect(polls.map(({ account }) => account)).toEqual(['gpus.a']);
    // It is not shown any more once it has no jobs.
    expect(next.engine.accounts().map(({ id }) => id)).toEqual(['gpus.b']);
  });

  it('waits until the deadline if its fleet is not configured either', async () => {
    const { world } = await aFleet({ behaviour: WORKING });
    const { id } = await world.submit();
    await world.reaches(id, 'running');
    const next = await world.restart({
      accounts: ['others'],
      parts: () => ({ openFormer: async () => undefined }),
    });
    await next.advance(600_000);
    expect((await next.task(id)).phase).toBe('running');
  });
});

/** What happens to a fleet: a task comes, jobs end, a server goes down or comes back, and time passes. */
const anyEvent = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ do: 'submit' } as const) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('end' as const), which: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('down' as const, 'up' as const), which: fc.nat() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 400_000 }) }),
  },
);

/** The jobs that the store has in flight at each account. */
async function jobsInFlight(world: World, accounts: readonly string[]): Promise<number[]> {
  const rows = new Map((await world.store.accounts()).map(({ account, inFlight }) => [account, inFlight]));
  return accounts.map((account) => rows.get(account) ?? 0);
}

describe('the places of a member', () => {
  it('are never exceeded, whatever happens to the servers and their jobs', async () => {
    const anyFleet = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(
        anyFleet,
        fc.array(anyEvent, { minLength: 10, maxLength: 30 }),
        fc.boolean(),
        async (places, events, resubmitUnknown) => {
          const accounts = places.map((_, n) => `gpus.${n}`);
          const over = new Set<string>();
          const { world, down } = await aFleet({
            accounts,
            places,
            member: { resubmitUnknown },
            behaviour: (prompt) => ({ answers: [over.has(prompt) ? 'succeeded' : 'in_progress'] }),
          });
          const prompts: string[] = [];
          for (const event of events) {
            const account = accounts['which' in event ? event.which % accounts.length : 0] ?? '';
            if (event.do === 'submit') {
              prompts.push(`boat ${prompts.length}`);
              await world.submit(prompts.at(-1));
            } else if (event.do === 'end') over.add(prompts[event.which % Math.max(1, prompts.length)] ?? '');
            else if (event.do === 'down') down.add(account);
            else if (event.do === 'up') down.delete(account);
            else if (event.do === 'wait') await world.advance(event.ms);
            await world.idle();
            const held = await jobsInFlight(world, accounts);
            for (const [n, most] of places.entries()) expect(held[n]).toBeLessThanOrEqual(most);
            const used = world.engine.accounts().map(({ placesUsed }) => placesUsed);
            expect(used).toEqual(held);
          }
        },
      ),
      { numRuns: 12 },
    );
  }, 120_000);
});

describe('a server that goes down', () => {
  it('while a submission is under way is asked for the job as long as the fleet waits', async () => {
    const { world, down, accountOf } = await aFleet({
      provider: (provider, account) => ({
        ...provider,
        async submit(...given) {
          await provider.submit(...given);
          down.add(account);
          throw new UpstreamError('upstream_unavailable', { created: 'unknown' });
        },
      }),
    });
    const { id } = await world.submit();
    const failed = await world.ends(id);
    expect(failed.error?.reason).toBe('submission_unknown');
    const waited = (failed.completedAt ?? 0) - failed.createdAt;
    expect(waited).toBeGreaterThanOrEqual(LOST_AFTER_MS);
    expect(waited).toBeLessThan(LOST_AFTER_MS + 120_000);
    expect(await accountOf(id)).toMatch(/^gpus\./);
    expect(world.upstream.count('submit', id)).toBe(1);
  });

  it('before a video was downloaded loses it once the fleet has waited', async () => {
    const { world, down } = await aFleet({
      provider: (provider, account) => ({
        ...provider,
        async open() {
          down.add(account);
          throw SILENT();
        },
      }),
    });
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await world.advance(LOST_AFTER_MS - 70_000);
    expect((await world.task(id)).phase).toBe('storing');
    expect((await world.ends(id)).error?.reason).toBe('result_lost');
  });
});
