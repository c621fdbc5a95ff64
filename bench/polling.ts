import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { optionsOf } from '../chaos/shared/optionsOf.ts';
import { leastDelayWithin, runAccount } from './polling/account.ts';
import { calibration } from './polling/calibration.ts';
import { type Curves, compare, type Row } from './polling/oneKind.ts';
import { frontier, leastDelay } from './polling/optimum.ts';
import { type Line, svgOf } from './polling/plot.ts';
import { MIN_INTERVAL } from './polling/schedules.ts';
import { WORKLOADS, type Workload } from './polling/workloads.ts';

/**
 * How late the end of a job is seen, and how many polls that takes: this gateway, how others poll, and the optimum, in virtual time.
 *
 *   npm run bench:polling -- [--tasks 100000] [--only log-normal,account] [--plots folder] [--seed polling]
 */
const { tasks, only, plots, seed } = optionsOf(
  {
    tasks: { type: 'string', default: '100000' },
    only: { type: 'string', default: '' },
    plots: { type: 'string', default: '' },
    seed: { type: 'string', default: 'polling' },
  },
  'npm run bench:polling -- [--tasks 100000] [--only log-normal,account] [--plots folder] [--seed polling]',
  { numbers: ['tasks'], names: { only: [...WORKLOADS.map(({ name }) => name), 'account'] } },
);

/** Requests a second, jobs in a request, and jobs in flight. */
const ACCOUNTS = [
  [20, 1, 1],
  [20, 1, 25],
  [20, 1, 100],
  [20, 1, 1000],
  [20, 50, 1000],
  [20, 50, 10_000],
  [20, 50, 100_000],
  [1000, 1, 1000],
  [1000, 1, 10_000],
  [1000, 1, 100_000],
] as const;

const COLOURS = ['#d33', '#06c', '#2a2', '#e80', '#80c', '#0aa', '#840'];

const chosen = (name: string) => only === '' || only.split(',').includes(name);
if (plots) mkdirSync(plots, { recursive: true });

/** Of each workload: the share of jobs that were said to succeed within a time, and that did. In percent. */
const honesty: Line[] = [];

for (const workload of WORKLOADS) {
  if (!chosen(workload.name)) continue;
  const { medianSeconds, p90Seconds } = workload.prior;
  console.log(
    `\n${workload.name}: half of the jobs within ${medianSeconds.toFixed(0)} s, 90% within ${p90Seconds.toFixed(0)} s`,
  );
  const { rows, curves } = compare(workload, Number(tasks), seed);
  console.table(Object.fromEntries(Object.entries(rows).map(([name, row]) => [name, shown(row)])));
  console.log(
    `warm, at other numbers of polls, × the optimum: ${curves.ours
      .flatMap(({ polls, delaySeconds }) => {
        const least = leastDelay(curves.optimum, polls);
        return least === undefined ? [] : [`${polls.toFixed(1)} ${(delaySeconds / least).toFixed(2)}`];
      })
      .join(', ')}`,
  );
  const calibrated = calibration(workload, Math.min(5000, Number(tasks)), seed);
  console.log(
    `said to succeed within a time, and did: ${calibrated
      .map(({ said, were }) => `${100 * said}% ${(100 * were).toFixed(1)}%`)
      .join(', ')}`,
  );
  honesty.push({
    name: workload.name,
    colour: COLOURS[honesty.length % COLOURS.length] ?? '',
    points: calibrated.map(({ said, were }) => ({ x: 100 * said, y: 100 * were })),
  });
  if (plots)
    writeFileSync(join(plots, `${workload.name.replaceAll(' ', '-')}.svg`), plotOf(workload.name, curves));
}

if (plots && honesty.length > 0) writeFileSync(join(plots, 'calibration.svg'), calibrationPlot(honesty));
if (chosen('account')) accounts();

/** One account whose allowance all its jobs share. The price of a poll is set by the controller. */
function accounts(): void {
  const [workload] = WORKLOADS;
  if (!workload) return;
  const optima = frontier(workload, MIN_INTERVAL);
  const meanSeconds = meanOf(workload);
  const share = 0.5;
  const common = { workload, share, seed };
  console.log(`\nan account with jobs of ${workload.name}, ${100 * share}% of whose requests may be polls`);
  for (const [requestsPerSecond, batch, inFlight] of ACCOUNTS) {
    const warmUpSeconds = 2000;
    const seconds = warmUpSeconds + Math.max(1000, 400_000 / inFlight);
    const run = runAccount({ ...common, requestsPerSecond, batch, inFlight, seconds, warmUpSeconds });
    const least = leastDelayWithin(optima, meanSeconds, (requestsPerSecond * batch * share) / inFlight);
    const figures = {
      'mean delay, s': run.meanDelay.toFixed(2),
      p95: run.p95Delay.toFixed(2),
      'optimum for the allowance': least.toFixed(2),
      '× optimum': (run.meanDelay / least).toFixed(2),
      'polls a task': run.pollsPerTask.toFixed(1),
      'requests, of the allowance': `${(100 * run.used).toFixed(1)}%`,
      'in the busiest second': `${(100 * run.mostUsed).toFixed(0)}%`,
      'spread of the price': `${(100 * run.priceSpread).toFixed(1)}%`,
    };
    // One at a time, because 100,000 in flight take minutes.
    console.table({ [`${requestsPerSecond} requests/s × ${batch}, ${inFlight} in flight`]: figures });
  }
  burst();
}

/** Ten thousand jobs are submitted at once to an account that polls a thousand. */
function burst(): void {
  const [workload] = WORKLOADS;
  if (!workload) return;
  const atSeconds = 1500;
  const run = runAccount({
    ...{ workload, share: 0.5, seed, requestsPerSecond: 20, batch: 50, inFlight: 1000 },
    ...{ seconds: 4500, warmUpSeconds: 500, burst: { atSeconds, jobs: 10_000 } },
  });
  const at = atSeconds - 500;
  const before = Math.max(...run.prices.slice(at - 500, at));
  const highest = Math.max(...run.prices);
  const calm = run.prices.findLastIndex((price) => price > 1.2 * before) - at;
  console.log('\na burst of 10,000 jobs on 20 requests/s × 50 with 1000 in flight');
  console.table({
    'mean delay of all, s': run.meanDelay.toFixed(2),
    'price before, at most, ms': before.toFixed(0),
    'highest price, ms': highest.toFixed(0),
    'price back within 20% after, s': String(calm),
    'requests in the busiest second, of the allowance': `${(100 * run.mostUsed).toFixed(0)}%`,
  });
  if (!plots) return;
  const line = (values: readonly number[]) =>
    values.map((y, x) => ({ x: x - at, y: Math.max(y, 0.5) })).filter((_, i) => i % 5 === 0);
  const svg = svgOf({
    title: 'An account of 20 requests/s × 50 tasks, to which 10,000 tasks are submitted at once',
    x: 'seconds since then',
    y: 'price of a poll, ms; requests a second',
    linear: 'x',
    lines: [
      { name: 'price of a poll, ms', colour: '#d33', points: line(run.prices) },
      { name: 'requests a second, of 20', colour: '#06c', points: line(run.requests) },
    ],
  });
  writeFileSync(join(plots, 'burst.svg'), svg);
}

/** Mean of the seconds that a job takes: the integral of the survival. */
function meanOf(workload: Workload): number {
  let seconds = 0;
  for (let age = 0.5; workload.below(age, 0) < 1 - 1e-9; age++) seconds += 1 - workload.below(age, 0);
  return seconds;
}

function shown({ polls, mean, p50, p95, p99, byOptimum, byFixed, lost }: Row) {
  return {
    'polls a task': polls.toFixed(1),
    'mean delay, s': mean.toFixed(2),
    p50: p50.toFixed(2),
    p95: p95.toFixed(2),
    p99: p99.toFixed(2),
    '× optimum at its polls': byOptimum?.toFixed(2) ?? '',
    '× fixed at its polls': byFixed.toFixed(2),
    lost: lost > 0 ? `${(100 * lost).toFixed(1)}%` : '',
  };
}

function plotOf(name: string, { optimum, ours, fixed }: Curves): string {
  const line = (title: string, colour: string, costs: typeof ours, dashed = false) => ({
    name: title,
    colour,
    dashed,
    points: costs
      .filter(({ polls }) => polls >= 1.05 && polls <= 60)
      .map(({ polls, delaySeconds }) => ({ x: polls, y: delaySeconds })),
  });
  return svgOf({
    title: `How late the end of a task is seen, by how often it is polled: ${name}`,
    x: 'polls per task (logarithmic)',
    y: 'mean delay, seconds (logarithmic)',
    lines: [
      line('fixed interval', '#999', fixed),
      line('this gateway, warm', '#d33', ours),
      line('optimum', '#06c', optimum, true),
    ],
  });
}

function calibrationPlot(lines: readonly Line[]): string {
  return svgOf({
    title: 'Tasks that were said to be done within a time, and that were',
    x: 'said, % of tasks',
    y: 'were, % of tasks',
    linear: 'both',
    legend: 'bottom',
    lines: [
      {
        name: 'exactly as said',
        colour: '#999',
        dashed: true,
        points: [
          { x: 0, y: 0 },
          { x: 100, y: 100 },
        ],
      },
      ...lines,
    ],
  });
}
