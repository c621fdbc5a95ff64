import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { aRequest, aTask } from '../../support/builders.ts';
import { createWorld, type World, type WorldOptions } from '../../support/engineWorld.ts';
import { createManualCluster } from '../../support/manualCluster.ts';
import type { ManualTimers } from '../../support/manualTimers.ts';
import { burstBeyond, learnt, leaveBehind } from '../../support/nodes/runningJobs.ts';

const SECOND = 1000;
const HOUR = 3_600_000;

interface PollSeen {
  readonly at: number;
  readonly job: string;
}

/** An upstream whose jobs take the time that their prompt says, in seconds, and the polls that it has seen. */
function timedUpstream() {
  const polls: PollSeen[] = [];
  const endsAt = new Map<string, number>();
  let timers: Pick<ManualTimers, 'trueTime'>;
  const options: WorldOptions = {
    abilities: [],
    settings: { taskDeadlineMs: 24 * HOUR },
    parts: (parts) => {
      timers = parts.timers as ManualTimers;
      return {
        typicalTime: ({ request }) => TYPICAL[request.model as keyof typeof TYPICAL] ?? TYPICAL.usual,
      };
    },
    provider: (provider) => ({
      ...provider,
      async submit(job, permit) {
        const submitted = await provider.submit(job, permit);
        endsAt.set(submitted.upstreamId, timers.trueTime() + Number(job.request.prompt) * SECOND);
        return submitted;
      },
      async poll({ upstreamId }) {
        const at = timers.trueTime();
        polls.push({ at, job: upstreamId });
        return (endsAt.get(upstreamId) ?? Number.POSITIVE_INFINITY) > at
          ? { state: 'in_progress' }
          : { state: 'failed', reason: 'upstream_failed', message: 'No.' };
      },
    }),
  };
  return { polls, endsAt, options };
}

const TYPICAL = {
  'two and a half times': { medianSeconds: 150, p90Seconds: 270 },
  slow: { medianSeconds: 3600, p90Seconds: 5400 },
  usual: { medianSeconds: 60, p90Seconds: 120 },
};

const firstPolls = (polls: readonly PollSeen[]): PollSeen[] => [
  ...polls
    .reduce(
      (seen, poll) => (seen.has(poll.job) ? seen : seen.set(poll.job, poll)),
      new Map<string, PollSeen>(),
    )
    .values(),
];

/** The next process of a node that had such jobs, and ended as `kill -9` does. */
async function takesOver(
  jobs: Parameters<typeof leaveBehind>[2],
  { pollsPerSecond, downMs = 0 }: { pollsPerSecond: number; downMs?: number },
) {
  const upstream = timedUpstream();
  const options = { ...upstream.options, limits: { pollsPerSecond, inFlight: 100_000 } };
  const before = await createWorld(options);
  await leaveBehind(before.store, before.timers.trueTime(), jobs);
  const world = await before.crash({ ...options, downMs });
  return { world, polls: upstream.polls, startedAt: world.timers.trueTime() };
}

const expectedIn = ({ engine, timers }: World, id: string) =>
  ((engine.live(id)?.expectedAt ?? 0) - timers.now()) / SECOND;

describe('a node that has learnt that jobs take a fraction of what the catalogue says', () => {
  it('plans by that after a restart, from the first plan on', async () => {
    const upstream = timedUpstream();
    const options = { ...upstream.options, limits: { pollsPerSecond: 4, inFlight: 1000 } };
    const world = await createWorld({
      ...options,
      provider: (provider, account) => ({
        ...(upstream.options.provider?.(provider, account) ?? provider),
        // Nothing is downloaded.
        async open(_handle, _result, _offset, signal) {
          await once(signal, 'abort');
          throw signal.reason;
        },
        async poll({ upstreamId }) {
          const over = (upstream.endsAt.get(upstreamId) ?? 0) <= world.timers.trueTime();
          return over ? { state: 'succeeded', result: { ref: `${upstreamId}#1` } } : { state: 'in_progress' };
        },
      }),
    });
    const request = aRequest({ model: 'two and a half times' });
    const submit = async (seconds: number) => {
      const { task } = await world.engine.submit({
        ...{ projectId: 'project', keyId: 'key', price: aTask().price, media: [] },
        request: { ...request, prompt: String(seconds) },
      });
      return task;
    };
    for (let n = 0; n < 60; n++) await submit(50 + (n % 20));
    await world.advance(150 * SECOND);
    const { id } = await submit(HOUR);
    await world.advance(2 * SECOND);
    const next = await world.restart();
    await next.idle();
    expect(expectedIn(next, id)).toBeGreaterThan(45);
    expect(expectedIn(next, id)).toBeLessThan(70);
  });

  it('tells that to the node that takes its tasks over, from the first plan on', async () => {
    const { options } = timedUpstream();
    const cluster = createManualCluster('node-b');
    const world = await createWorld({
      ...options,
      parts: (parts) => ({
        ...options.parts?.(parts),
        cluster,
        store: { ...parts.store, adopt: async () => [] },
      }),
    });
    const { store } = world;
    await learnt(store, TYPICAL['two and a half times'], world.timers.now());
    const model = 'two and a half times';
    const [task] = await leaveBehind(
      store,
      world.timers.now(),
      [{ job: 'job', ageMs: 2 * SECOND, model }],
      'node-b',
    );
    cluster.hear({ kind: 'given', to: 'node-b', tasks: [task?.id ?? ''] });
    await world.idle();
    expect(expectedIn(world, task?.id ?? '')).toBeGreaterThan(45);
    expect(expectedIn(world, task?.id ?? '')).toBeLessThan(70);
  });
});

describe('a node that takes over the jobs of an account', () => {
  it('polls 2,000 of them within the allowance at every moment', async () => {
    const jobs = Array.from({ length: 2000 }, (_, n) => ({ job: `job ${n}`, ageMs: n * 50 }));
    const { world, polls } = await takesOver(jobs, { pollsPerSecond: 10 });
    await world.advance(300 * SECOND);
    // Half of the ten that the account may poll, and a second's worth at once.
    expect(
      burstBeyond(
        polls.map(({ at }) => at),
        5,
      ),
    ).toBeLessThanOrEqual(5);
    expect(polls.length).toBeGreaterThan(0.95 * 300 * 5);
  });

  it('polls first those whose end is near, and not thousands that cannot have ended', async () => {
    const near = Array.from({ length: 40 }, (_, n) => ({ job: `near ${n}`, ageMs: 90 * SECOND + n }));
    const far = Array.from({ length: 6000 }, (_, n) => ({
      job: `far ${n}`,
      ageMs: 100 * SECOND + n * 50,
      model: 'slow',
    }));
    const [half, rest] = [far.slice(0, 3000), far.slice(3000)];
    const { world, polls, startedAt } = await takesOver([...half, ...near, ...rest], { pollsPerSecond: 10 });
    await world.advance(120 * SECOND);
    const seen = firstPolls(polls).filter(({ job }) => job.startsWith('near'));
    expect(seen).toHaveLength(40);
    expect((seen.at(-1)?.at ?? 0) - startedAt).toBeLessThan(30 * SECOND);
  });

  it('polls those first that are overdue for longest, wherever they are among thousands', async () => {
    const late = (n: number) => n % 100 === 99;
    const jobs = Array.from({ length: 5000 }, (_, n) => ({
      job: `${late(n) ? 'late' : 'job'} ${n}`,
      ageMs: (late(n) ? 100 : 30) * SECOND + (n % 17),
    }));
    const { world, polls } = await takesOver(jobs, { pollsPerSecond: 10 });
    await world.advance(20 * SECOND);
    const order = firstPolls(polls).map(({ job }) => job);
    // The first five permits went to those that were adopted first.
    expect(order.slice(5, 55).filter((job) => job.startsWith('late'))).toHaveLength(50);
  });
});
