import { describe, expect, it } from 'vitest';
import { createWorld, type World, type WorldOptions } from '../../support/engineWorld.ts';
import { createManualTimers } from '../../support/manualTimers.ts';

const startsOf = ({ upstream }: World) => upstream.records.filter(({ call }) => call === 'submit');
const promptsStarted = (world: World) => startsOf(world).map(({ prompt }) => prompt);

describe('admission', () => {
  it('gives every key its turn: a thousand tasks of one key delay the first task of another key by one', async () => {
    const world = await createWorld({ limits: { inFlight: 1 } });
    const many = Array.from({ length: 1000 }, (_, n) => world.submit(`many ${n}`, { keyId: 'many' }));
    await Promise.all(many);
    const other = await world.submit('other', { keyId: 'other' });
    await world.reaches(other.id, 'succeeded');
    expect(promptsStarted(world).indexOf('other')).toBeLessThanOrEqual(2);
  });

  it('alternates between keys, and serves each key in the order of its requests', async () => {
    const world = await createWorld({ limits: { inFlight: 1 } });
    const tasks = [];
    for (const prompt of ['a1', 'a2', 'a3', 'b1', 'b2', 'c1']) {
      tasks.push(await world.submit(prompt, { keyId: prompt.charAt(0) }));
    }
    for (const { id } of tasks) await world.ends(id);
    expect(promptsStarted(world)).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2']);
  });

  it('never has more tasks in flight than the account allows', async () => {
    let inFlight = 0;
    let most = 0;
    const world = await createWorld({
      limits: { inFlight: 3 },
      behaviour: () => ({ answers: ['in_progress', 'in_progress', 'succeeded'] }),
      provider: (provider) => ({
        ...provider,
        async submit(job, signal) {
          inFlight += 1;
          most = Math.max(most, inFlight);
          return provider.submit(job, signal);
        },
        async poll(handle, signal) {
          const answer = await provider.poll(handle, signal);
          if (answer.state === 'succeeded') inFlight -= 1;
          return answer;
        },
      }),
    });
    const tasks = await Promise.all(Array.from({ length: 20 }, () => world.submit()));
    for (const { id } of tasks) expect((await world.ends(id)).phase).toBe('succeeded');
    expect(most).toBe(3);
  });

  it('starts no more tasks per minute than the account allows', async () => {
    const world = await createWorld({ limits: { submitsPerMinute: 60 } });
    await Promise.all(Array.from({ length: 100 }, () => world.submit()));
    await world.idle();
    // Ten seconds' worth may start at once.
    expect(startsOf(world)).toHaveLength(10);
    await world.advance(30_000);
    expect(startsOf(world).length).toBeGreaterThanOrEqual(39);
    expect(startsOf(world).length).toBeLessThanOrEqual(41);
  });

  it('spreads tasks over the accounts of a provider', async () => {
    const world = await createWorld({ accounts: ['one', 'two'], limits: { inFlight: 10 } });
    await Promise.all(Array.from({ length: 10 }, () => world.submit()));
    await world.idle();
    expect(startsOf(world).filter(({ account }) => account === 'one')).toHaveLength(5);
  });

  it('fails a task that got no place before its deadline, and releases its hold', async () => {
    const world = await createWorld({
      limits: { inFlight: 1 },
      // Nobody can poll it, so it keeps its place for ten minutes beyond its own deadline.
      behaviour: (prompt) => (prompt === 'endless' ? { answers: [{ error: 'upstream_unavailable' }] } : {}),
      settings: { taskDeadlineMs: 600_000 },
    });
    await world.submit('endless');
    const waiting = await world.submit('waiting');
    await world.advance(599_000);
    expect((await world.task(waiting.id)).phase).toBe('accepted');
    const failed = await world.ends(waiting.id);
    expect(failed.error).toMatchObject({ reason: 'expired', code: 504 });
    expect(await world.ledger(waiting.id)).toEqual({ hold: 400_000, release: 400_000 });
    await world.advance(300_000);
    const next = await world.submit('next');
    expect((await world.ends(next.id)).phase).toBe('succeeded');
    expect(promptsStarted(world)).toEqual(['endless', 'next']);
  });

  describe('of a model that its provider ends', () => {
    const MINUTE = 60_000;
    const until =
      (ends: Readonly<Record<string, number>>): NonNullable<WorldOptions['parts']> =>
      ({ clock }) => ({
        servedUntil: ({ id }) => ends[id],
        servedBy: ({ id }) => clock.now() < (ends[id] ?? 0),
      });
    const busy = { limits: { inFlight: 1 }, behaviour: () => ({ answers: ['in_progress' as const] }) };

    it('fails the tasks that still wait when the last account loses it, and releases their holds', async () => {
      const start = createManualTimers().now();
      const parts = until({ one: start + 5 * MINUTE, two: start + 10 * MINUTE });
      const world = await createWorld({ ...busy, accounts: ['one', 'two'], parts });
      const running = [await world.submit(), await world.submit()];
      const { id } = await world.submit();
      await world.advance(10 * MINUTE - 1000);
      expect((await world.task(id)).phase).toBe('accepted');
      await world.advance(2000);
      expect((await world.task(id)).error).toMatchObject({ reason: 'model_retired', code: 410 });
      expect(await world.ledger(id)).toEqual({ hold: 400_000, release: 400_000 });
      for (const { id } of running) expect((await world.task(id)).phase).toBe('running');
      expect(world.upstream.count('submit')).toBe(2);
    });

    it('fails a task that waits when the gateway starts after the end', async () => {
      const world = await createWorld(busy);
      await world.submit();
      const { id } = await world.submit();
      const next = await world.restart({ parts: until({ one: 1 }) });
      await next.idle();
      expect((await next.task(id)).error?.reason).toBe('model_retired');
    });

    it('lets a task wait whose account is missing', async () => {
      const world = await createWorld(busy);
      await world.submit();
      const { id } = await world.submit();
      const next = await world.restart({ parts: until({}) });
      await next.advance(10 * MINUTE);
      expect((await next.task(id)).phase).toBe('accepted');
    });
  });

  it('never submits a task that expired while no gateway ran', async () => {
    const settings = { taskDeadlineMs: 50_000 };
    const world = await createWorld({
      behaviour: () => ({ start: [{ refuse: 'rate_limited', retryAfterMs: 100_000 }, 'accepted'] }),
      settings,
    });
    const { id } = await world.submit();
    await world.idle();
    const next = await world.restart({ settings, downMs: 60_000 });
    expect((await next.ends(id)).error?.reason).toBe('expired');
    expect(next.upstream.count('submit')).toBe(1);
  });
});

describe('an upstream that refuses temporarily', () => {
  it('is not used for as long as it says, and no task fails because of it', async () => {
    const world = await createWorld({
      limits: { inFlight: 1 },
      behaviour: (prompt) =>
        prompt === 'first' ? { start: [{ refuse: 'rate_limited', retryAfterMs: 30_000 }, 'accepted'] } : {},
    });
    const held = world.provider.hold('submit');
    const first = await world.submit('first');
    const second = await world.submit('second');
    await world.reaches(first.id, 'submitting');
    held.release();
    await world.advance(29_900);
    expect(promptsStarted(world)).toEqual(['first']);
    const finished = await world.ends(first.id);
    expect(finished.phase).toBe('succeeded');
    expect((await world.ends(second.id)).phase).toBe('succeeded');
    // The refused task already had its turn: it goes first.
    expect(promptsStarted(world)).toEqual(['first', 'first', 'second']);
    expect(finished.attempt?.number).toBe(2);
  });

  it('is tried by one task at a time until it works again', async () => {
    const refusals = { start: [{ refuse: 'upstream_unavailable' }] } as const;
    let down = true;
    const world = await createWorld({
      behaviour: () => (down ? refusals : {}),
      settings: { maxAttempts: 50 },
    });
    await world.submit('probe');
    await world.idle();
    const tasks = await Promise.all(
      Array.from({ length: 50 }, (_, n) => world.submit(`${n}`, { keyId: `${n}` })),
    );
    await world.advance(120_000);
    // The interval doubles from a second to a minute: a handful of tries, not one per task and second.
    expect(startsOf(world).length).toBeLessThanOrEqual(10);
    down = false;
    for (const { id } of tasks) expect((await world.ends(id)).phase).toBe('succeeded');
  });

  it('fails the task with its reason after the configured number of tries', async () => {
    const world = await createWorld({
      behaviour: () => ({ start: [{ refuse: 'upstream_unavailable' }] }),
      settings: { maxAttempts: 3 },
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.error).toMatchObject({ reason: 'upstream_unavailable', code: 502 });
    expect(task.attempt).toMatchObject({ number: 3, outcome: 'refused' });
    expect(startsOf(world)).toHaveLength(3);
    expect(await world.ledger(task.id)).toEqual({ hold: 400_000, release: 400_000 });
  });
});

describe('a refusal', () => {
  it('of the request itself fails the task at once and does not affect the account', async () => {
    const world = await createWorld({
      behaviour: (prompt) => (prompt === 'bad' ? { start: [{ refuse: 'content_rejected' }] } : {}),
    });
    const bad = await world.submit('bad');
    await world.idle();
    expect((await world.task(bad.id)).error?.reason).toBe('content_rejected');
    const good = await world.submit('good');
    await world.idle();
    expect(startsOf(world)).toHaveLength(2);
    expect((await world.ends(good.id)).phase).toBe('succeeded');
  });

  it('of the credentials or quota of one account leads to another attempt with another account', async () => {
    const world = await createWorld({
      accounts: ['broke', 'rich'],
      behaviour: () => ({ start: [{ refuse: 'quota_exhausted' }, 'accepted'] }),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.phase).toBe('succeeded');
    expect(task.attempt).toMatchObject({ number: 2, accountId: 'rich' });
    expect(startsOf(world).map(({ account }) => account)).toEqual(['broke', 'rich']);
    // Polled, downloaded and discarded at the account that made it.
    const later = world.upstream.records.filter(({ call }) => call !== 'submit');
    expect(new Set(later.map(({ account }) => account))).toEqual(new Set(['rich']));
  });

  it('by every account keeps the task until its deadline, which then fails with that reason', async () => {
    const world = await createWorld({
      accounts: ['one', 'two'],
      settings: { taskDeadlineMs: 60_000 },
      behaviour: () => ({ start: [{ refuse: 'auth_failed' }] }),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.error).toMatchObject({ reason: 'auth_failed', code: 502 });
    expect(startsOf(world).map(({ account }) => account)).toEqual(['one', 'two']);
  });
});
