import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { distributionOf } from '../shared/distribution.ts';
import { FAMILIES, type Family } from '../tracking/families.ts';
import { type Figures, figuresOf } from '../tracking/figures.ts';
import { type Contender, type Load, type Observations, observe, type Reading } from '../tracking/run.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

it('a distribution has the mean and the quantiles of its values, in whatever order they come', () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(distributionOf(values)).toEqual({ count: 100, mean: 50.5, p50: 51, p90: 91, p95: 96, p99: 100 });
  expect(distributionOf([7])).toEqual({ count: 1, mean: 7, p50: 7, p90: 7, p95: 7, p99: 7 });
  expect(distributionOf([])).toBeUndefined();
});

const reading = (at: number, poll: number, list: number, more: Partial<Reading> = {}): Reading => ({
  at,
  requests: { poll, list, all: 2 * (poll + list), cpuUs: 50 * at },
  cpuUs: undefined,
  heapBytes: undefined,
  ...more,
});

/** Two tasks: one whose client was told well, and one whose client was told too early. */
const SEEN: Observations = {
  jobs: [
    { prompt: 'first', createdAt: 0, endedAt: 60_000 },
    { prompt: 'second', createdAt: 1000, endedAt: 101_000 },
    { prompt: 'unfinished', createdAt: 2000, endedAt: undefined },
  ],
  tasks: [
    {
      prompt: 'first',
      gatewayAt: 60_500,
      waiting: { knownAt: 61_000, requests: 2, said: [] },
      told: { knownAt: 63_000, requests: 4, said: [{ at: 30_000, eta: 30 }] },
    },
    {
      prompt: 'second',
      gatewayAt: 102_500,
      waiting: { knownAt: 103_000, requests: 4, said: [] },
      told: {
        knownAt: 106_000,
        requests: 8,
        said: [
          { at: 50_000, eta: 10 },
          { at: 99_500, eta: 2 },
        ],
      },
    },
  ],
  idle: reading(0, 0, 0, { cpuUs: 100_000, heapBytes: 1_000_000 }),
  full: reading(10_000, 4, 1, { cpuUs: 200_000, heapBytes: 5_000_000 }),
  draining: reading(60_000, 90, 15, { cpuUs: 1_200_000, heapBytes: 5_000_000 }),
  over: reading(110_000, 98, 22, { cpuUs: 1_300_000, heapBytes: 1_000_000 }),
};

it('delays are counted from the end upstream, for each observer', () => {
  const { delays, durations, waitingAfterGateway } = figuresOf(SEEN, { inFlight: 2, pollsPerSecond: 10 });
  expect(delays.gateway).toMatchObject({ count: 2, mean: 1000 });
  expect(delays.waiting).toMatchObject({ count: 2, mean: 1500 });
  expect(waitingAfterGateway).toMatchObject({ count: 2, mean: 500 });
  expect(delays.told).toMatchObject({ count: 2, mean: 4000 });
  expect(delays.direct).toBeUndefined();
  expect(durations).toMatchObject({ count: 2, mean: 80_000 });
});

it('requests are counted for each job, and the allowance and the CPU time while all tasks are in flight', () => {
  const figures = figuresOf(SEEN, { inFlight: 2, pollsPerSecond: 10 });
  expect(figures).toMatchObject({ polls: 40, requests: 80, queries: { waiting: 3, told: 6 } });
  expect(figures.allowance).toBeCloseTo(100 / 50 / 10);
  expect(figures.cores).toBeCloseTo(1 / 50);
  expect(figures.upstreamCores).toBeCloseTo(1 / 20);
});

it('memory is only told of many tasks, and neither it nor CPU time without a gateway', () => {
  expect(figuresOf(SEEN, { inFlight: 2, pollsPerSecond: 10 }).bytesPerTask).toBeUndefined();
  expect(figuresOf(SEEN, { inFlight: 1000, pollsPerSecond: 10 }).bytesPerTask).toBe(4000);
  const without = { ...SEEN, idle: reading(0, 0, 0), full: reading(1, 0, 0), draining: reading(2, 0, 0) };
  expect(figuresOf(without, { inFlight: 1000, pollsPerSecond: 10 })).toMatchObject({
    cores: undefined,
    bytesPerTask: undefined,
  });
});

it('what was said is compared with the time that was left', () => {
  const { calibration } = figuresOf(SEEN, { inFlight: 2, pollsPerSecond: 10 });
  expect(calibration.map(({ seconds, said, right }) => [seconds, said, right])).toEqual([
    [1, 0, 0],
    [2, 1, 1],
    [5, 1, 1],
    [10, 2, 1],
    [30, 3, 2],
    [60, 3, 3],
  ]);
});

/** Four tasks of a family, as quickly as the simulators can. */
async function observeFour(family: Family, contender: Contender): Promise<Figures> {
  const dir = await mkdtemp(join(tmpdir(), 'onetake-bench-test-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const load: Load = {
    family,
    inFlight: 2,
    tasks: 4,
    speed: 1000,
    spreadSeconds: 0.1,
    typical: { medianSeconds: 100, p90Seconds: 200 },
    times: 'catalogue',
    account: {},
  };
  const place = { dir: join(dir, 'one'), database: undefined, signal: new AbortController().signal };
  const observations = await observe(contender, load, place);
  expect(await readdir(dir)).toEqual([]);
  return figuresOf(observations, { inFlight: 2, pollsPerSecond: family.pollsPerSecond });
}

it.each(FAMILIES)(
  'tasks of $name are followed through a gateway, whose files are removed',
  async (family) => {
    const callbacks = family.callbacks !== undefined;
    const { delays, polls } = await observeFour(family, { name: 'onetake', checkout: ROOT, callbacks });
    for (const observer of ['gateway', 'waiting', 'told'] as const) {
      expect(delays[observer]?.count).toBe(4);
      expect(delays[observer]?.p50).toBeGreaterThanOrEqual(0);
    }
    expect(polls).toBeGreaterThanOrEqual(1);
  },
);

it.each(FAMILIES)('jobs of $name are followed without a gateway', async (family) => {
  const { delays, queries, cores } = await observeFour(family, { name: 'none', pollEveryMs: 10 });
  expect(delays).toMatchObject({ direct: { count: 4 }, gateway: undefined });
  expect(delays.direct?.p50).toBeGreaterThanOrEqual(0);
  expect(queries.direct).toBeGreaterThanOrEqual(1);
  expect(cores).toBeUndefined();
});
