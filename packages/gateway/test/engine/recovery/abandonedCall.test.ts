import { pino } from 'pino';
import { expect, it } from 'vitest';
import { boundCalls } from '../../../src/providers/boundCalls.ts';
import { type Provider, type Submitted, UpstreamError } from '../../../src/providers/provider.ts';
import { createWorld, type World, type WorldOptions } from '../../support/engineWorld.ts';
import { eventually } from '../../support/eventually.ts';
import type { RecordingProvider } from '../../support/recordingProvider.ts';

/** An engine over an adapter that ignores its signals in some calls. Calls time out after a millisecond and the grace. */
async function deaf(
  calls: (provider: RecordingProvider) => Partial<Provider>,
  options: Omit<WorldOptions, 'provider'> = {},
) {
  const logged: Record<string, unknown>[] = [];
  const log = pino({ level: 'warn' }, { write: (line) => logged.push(JSON.parse(line)) });
  const world: World = await createWorld({
    ...options,
    settings: { ...options.settings, callTimeoutMs: 1 },
    parts: () => ({ log }),
    provider: (provider, account) =>
      boundCalls(
        { ...provider, ...calls(provider) },
        { account, log, after: (ms, fire) => world.timers.after(ms, fire) },
      ),
  });
  const events = (event: string) => logged.filter((line) => line.event === event);
  return {
    world,
    events,
    /** Lets time pass until the expectations hold. */
    until: (expectations: () => Promise<void>) =>
      eventually(async () => {
        await world.advance(1000);
        await expectations();
      }),
  };
}

/** The first submission never ends by itself, and the upstream has its job if `isSent`. Later ones work. */
function firstNeverEnds(isSent: boolean) {
  const late = Promise.withResolvers<Submitted>();
  let submissions = 0;
  const calls = (provider: RecordingProvider): Partial<Provider> => ({
    async submit(...given) {
      submissions += 1;
      if (submissions > 1) return provider.submit(...given);
      if (isSent) await provider.submit(...given);
      return late.promise;
    },
  });
  return { late, calls, submissions: () => submissions };
}

it('a submission that never ends is given up, and searched for', async () => {
  const { calls, submissions } = firstNeverEnds(true);
  const { world, until, events } = await deaf(calls);
  const { id } = await world.submit();
  await until(async () => expect((await world.task(id)).phase).toBe('succeeded'));
  expect(submissions()).toBe(1);
  expect(await world.task(id)).toMatchObject({ attempt: { number: 1, upstreamId: 'one-1' } });
  expect(events('upstream.call_abandoned')).toMatchObject([{ account: 'one', call: 'submit' }]);
  expect(events('upstream.submit_failed')).toMatchObject([
    { reason: 'upstream_timeout', created: 'unknown' },
  ]);
});

it('its task fails if the search cannot tell; then its late id is logged', async () => {
  const { calls, late, submissions } = firstNeverEnds(true);
  const { world, until, events } = await deaf(calls, { behaviour: () => ({ find: ['unknown'] }) });
  const { id } = await world.submit();
  await until(async () => expect((await world.task(id)).phase).toBe('failed'));
  expect((await world.task(id)).error?.reason).toBe('submission_unknown');
  expect(submissions()).toBe(1);
  late.resolve({ upstreamId: 'one-1', state: 'queued' });
  await until(async () =>
    expect(events('upstream.job_abandoned')).toMatchObject([{ task: id, upstreamId: 'one-1' }]),
  );
});

it('its late id is stored while the task is searched for, which ends the search', async () => {
  const { calls, late, submissions } = firstNeverEnds(true);
  const { world, until, events } = await deaf(calls, { behaviour: () => ({ find: ['unknown'] }) });
  const { id } = await world.submit();
  await until(async () => expect(world.upstream.count('find')).toBe(1));
  late.resolve({ upstreamId: 'one-1', state: 'in_progress' });
  await world.idle();
  expect(await world.task(id)).toMatchObject({ phase: 'running', attempt: { upstreamId: 'one-1' } });
  await until(async () => expect((await world.task(id)).phase).toBe('succeeded'));
  expect(submissions()).toBe(1);
  expect(world.upstream.count('find')).toBe(1);
  expect(events('upstream.job_abandoned')).toEqual([]);
});

it('its late id is not taken for that of a later attempt', async () => {
  const { calls, late } = firstNeverEnds(false);
  const { world, until, events } = await deaf(calls, {
    abilities: ['cancel'],
    settings: { resubmitUnknown: true },
  });
  const second = world.provider.hold('submit');
  const { id } = await world.submit();
  // Both submissions time out; the second one is held by an upstream, not by a deaf adapter.
  await until(async () => expect((await world.task(id)).attempt?.number).toBe(2));
  late.resolve({ upstreamId: 'of the first', state: 'queued' });
  await until(async () =>
    expect(events('upstream.job_abandoned')).toMatchObject([{ upstreamId: 'of the first' }]),
  );
  second.release();
  await until(async () => expect((await world.task(id)).phase).toBe('succeeded'));
  expect((await world.task(id)).attempt?.upstreamId).toMatch(/^one-/);
});

it('its job does not count as absent before the call has ended', async () => {
  const { calls, late, submissions } = firstNeverEnds(false);
  const { world, until } = await deaf(calls, { behaviour: () => ({ find: ['absent'] }) });
  const { id } = await world.submit();
  await until(async () => expect(world.upstream.count('find')).toBe(2));
  expect(submissions()).toBe(1);
  late.reject(new UpstreamError('upstream_unavailable', { created: 'unknown' }));
  await until(async () => expect((await world.task(id)).phase).toBe('succeeded'));
  expect(submissions()).toBe(2);
  expect((await world.task(id)).attempt?.number).toBe(2);
});

/** The first call of this kind never ends. Later ones work. */
function firstOf(call: 'poll' | 'find' | 'discard' | 'cancel') {
  let isFirst = true;
  return (provider: RecordingProvider): Partial<Provider> => {
    const works = provider[call] as (...given: unknown[]) => Promise<unknown>;
    return {
      [call](...given: unknown[]) {
        if (!isFirst) return works(...given);
        isFirst = false;
        return new Promise(() => {});
      },
    };
  };
}

it.each([
  ['poll', {}],
  ['find', { start: ['answer_lost'] }],
  ['discard', {}],
] as const)('a task goes on after a call that never ends: %s', async (call, behaviour) => {
  const { world, until, events } = await deaf(firstOf(call), { behaviour: () => behaviour });
  const { id } = await world.submit();
  await until(async () => expect((await world.task(id)).phase).toBe('succeeded'));
  await until(async () => expect(events('upstream.call_abandoned')).toMatchObject([{ call }]));
  expect(world.upstream.count(call)).toBe(call === 'discard' ? 0 : 1);
});

it('a cancel that never ends upstream is refused, and the task goes on', async () => {
  const { world, until, events } = await deaf(firstOf('cancel'), {
    behaviour: () => ({ answers: ['in_progress', 'in_progress', 'succeeded'] }),
  });
  const { id } = await world.submit();
  const refused = world.reaches(id, 'running').then((task) => world.engine.cancel(task));
  await Promise.all([
    expect(refused).rejects.toMatchObject({ reason: 'upstream_timeout' }),
    until(async () => expect(events('upstream.call_abandoned')).toMatchObject([{ call: 'cancel' }])),
  ]);
  await until(async () => expect((await world.task(id)).phase).toBe('succeeded'));
});
