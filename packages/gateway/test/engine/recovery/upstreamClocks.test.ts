import type { Dispatcher } from 'undici';
import { describe, expect, it } from 'vitest';
import { createUpstreamClock } from '../../../src/providers/http/upstreamClock.ts';
import { UpstreamError } from '../../../src/providers/provider.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { aJob, openUpstream } from '../../providers/openai/world.ts';
import { createWorld, type World } from '../../support/engineWorld.ts';
import { eventually } from '../../support/eventually.ts';
import { sending } from '../../support/sending.ts';

const MINUTE = 60_000;
const ORIGIN = 'https://upstream.example';
const PROMPT = 'a paper boat\r\nat night, “still”\n\n[hold]';

/** Advances the engine's time, and the upstream's with it, until the task is no longer being submitted. */
const settled = (world: World, id: string) =>
  eventually(async () => {
    await world.advance(5_000);
    const task = await world.task(id);
    expect(task.phase).not.toBe('submitting');
    return task;
  });

describe('an accepted job whose answer was lost', () => {
  it.each([
    ['five minutes back', -5 * MINUTE, true],
    ['five minutes forward', 5 * MINUTE, true],
    ['where it was', 0, true],
    ['five minutes back, with an upstream of unknown time', -5 * MINUTE, false],
    ['an hour forward, with an upstream of unknown time', 60 * MINUTE, false],
  ])('is made once if the clock is set %s during a kill', async (_how, downMs, isKnown) => {
    const { simulators, open } = await openUpstream('openai');
    const opened = await open();
    const one = isKnown ? opened : { ...opened, upstreamTime: async () => undefined };
    const world = await createWorld({ provider: () => one, parts: soraParts });
    simulators.faults.add({ kind: 'silence', operation: 'submit', count: 1 });
    const { id } = await world.submit(PROMPT);
    await eventually(() => expect(simulators.ledger.jobs()).toHaveLength(1));
    expect((await world.task(id)).attempt?.intendedThereAt !== undefined).toBe(isKnown);

    const two = await open();
    const next = await world.crash({ provider: () => two, parts: soraParts, downMs });
    const task = await settled(next, id);
    expect(simulators.ledger.jobs()).toHaveLength(1);
    const [made] = simulators.ledger.jobs();
    expect(task).toMatchObject({ phase: 'running', attempt: { number: 1, upstreamId: made?.id } });
  });

  it('is made once if the clock was set back and the upstream truncates prompts', async () => {
    const { simulators, open } = await openUpstream('openai');
    const one = await open();
    await one.submit(aJob({ prompt: 'another [hold]' }), sending());
    const world = await createWorld({ provider: () => one, parts: soraParts });
    simulators.faults.add({ kind: 'silence', operation: 'submit', count: 1 });
    simulators.faults.add({ kind: 'reworded_prompt', rewording: 'cut' });
    const { id } = await world.submit(PROMPT);
    await eventually(() => expect(simulators.ledger.jobs()).toHaveLength(2));
    const two = await open();
    const next = await world.crash({ provider: () => two, parts: soraParts, downMs: -5 * MINUTE });
    expect((await settled(next, id)).error?.reason).toBe('submission_unknown');
    expect(simulators.ledger.jobs()).toHaveLength(2);
  });
});

it('repeats the first submission of a killed node, if the upstream did not accept it', async () => {
  const { simulators, open } = await openUpstream('openai');
  const one = await open();
  const world = await createWorld({ provider: () => one, parts: soraParts });
  simulators.faults.add({ kind: 'server_error', operation: 'submit', count: 1 });
  const { id } = await world.submit(PROMPT);
  await eventually(async () => expect((await world.task(id)).phase).toBe('submitting'));
  simulators.faults.add({ kind: 'clock_skew', skewMs: 2 * MINUTE });
  const two = await open();
  const next = await world.crash({ provider: () => two, parts: soraParts, downMs: 2 * MINUTE });
  expect(await settled(next, id)).toMatchObject({ phase: 'running', attempt: { number: 2 } });
  expect(simulators.ledger.jobs()).toHaveLength(1);
});

it('submits nothing while the upstream does not answer, so that another node can tell what became of a submission', async () => {
  const { simulators, open } = await openUpstream('openai');
  const one = await open();
  let asked = 0;
  let there = 0;
  const clock = createUpstreamClock(ORIGIN, ask, { ...systemClock, now: () => there });
  /** The upstream is away for two questions, and shows its time in the answer to the third. */
  async function ask() {
    asked += 1;
    if (asked < 3) throw new UpstreamError('upstream_unavailable', { created: 'no' });
    there = (await one.upstreamTime?.()) ?? 0;
    const headers = { date: new Date(there).toUTCString() };
    const dispatch = clock.listen((_options, handler) => {
      handler.onResponseStart?.({} as Dispatcher.DispatchController, 200, headers);
      return true;
    });
    dispatch({ origin: ORIGIN, path: '/', method: 'HEAD' }, {});
  }
  const world = await createWorld({
    provider: () => ({ ...one, upstreamTime: clock.now }),
    parts: soraParts,
  });
  simulators.faults.add({ kind: 'server_error', operation: 'submit', count: 1 });
  const { id } = await world.submit(PROMPT);
  await eventually(async () => {
    await world.advance(1000);
    expect((await world.task(id)).phase).toBe('submitting');
  });
  expect(asked).toBe(3);
  expect((await world.task(id)).attempt).toMatchObject({ number: 1, intendedThereAt: expect.any(Number) });
  const two = await open();
  const next = await world.crash({ provider: () => two, parts: soraParts, downMs: 2 * MINUTE });
  simulators.faults.add({ kind: 'clock_skew', skewMs: 2 * MINUTE });
  expect(await settled(next, id)).toMatchObject({ phase: 'running', attempt: { number: 2 } });
  expect(simulators.ledger.jobs()).toHaveLength(1);
});

const soraParts = () => ({ upstreamModel: () => 'sora-2' });
