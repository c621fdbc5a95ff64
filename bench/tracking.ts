import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { catchInterruption, createCatalogue, Interrupted } from '@onetake/gateway';
import { optionsOf } from '../chaos/shared/optionsOf.ts';
import { createDatabase, startPostgres } from '../scripts/servers/postgres.ts';
import type { Measured, Setting } from './cluster/level.ts';
import { withPostgres } from './cluster/processes.ts';
import { meanMs } from './cluster/steadyState.ts';
import { leastDelayWithin } from './polling/account.ts';
import { frontier } from './polling/optimum.ts';
import { workloadOf } from './polling/workloads.ts';
import { FAMILIES, type Family } from './tracking/families.ts';
import { figuresOf } from './tracking/figures.ts';
import { type Contender, type Load, observe, type Place, TIMES } from './tracking/run.ts';
import { printHead, printRows, printStandIn, printStandInHead } from './tracking/table.ts';

/**
 * How long after its end upstream a finished video is known: to the gateway, to a client that waits (`?wait=`), and to one that comes back
 * when `Retry-After` says. Gateway and simulators run in processes of their own; beside them a client without a gateway polls the
 * upstream every five seconds, and a gateway gets callbacks where the upstream has them. Every contender has the same jobs.
 *
 *   npm run bench:tracking -- [--in-flight 1,25,1000] [--families sora,veo,wanxiang,seedance] [--tasks 75] [--speed 1]
 *                             [--spread <seconds>] [--times catalogue] [--account '{"name": "value"}'] [--postgres]
 *                             [--contenders direct,polling,callbacks] [--against checkout] [--median 600]
 *
 * The first submissions are spread over the median time of a job, or over --spread: the shorter, the more jobs end together.
 * At --speed 10 jobs take a tenth of their time, and the catalogue says so too. The allowance and what the gateway itself takes stay as
 * they are, so that only figures at one speed compare. With --times shorter, jobs take less than half of the catalogue's times.
 * Above 2,000 in flight the engine alone is measured, on the stand-in of `npm run bench:cluster`; --median says how long its jobs take. The longer,
 * the fewer end in a second: the node stores each of them, which takes far more of it than the polls.
 */
const NAMES = FAMILIES.map(({ name }) => name).join(',');
const CONTENDERS = ['direct', 'polling', 'callbacks'] as const;
const options = optionsOf(
  {
    'in-flight': { type: 'string', default: '1,25,1000' },
    families: { type: 'string', default: NAMES },
    tasks: { type: 'string' },
    speed: { type: 'string', default: '1' },
    spread: { type: 'string' },
    times: { type: 'string', default: 'catalogue' },
    account: { type: 'string', default: '{}' },
    postgres: { type: 'boolean', default: false },
    contenders: { type: 'string', default: CONTENDERS.join(',') },
    against: { type: 'string' },
    median: { type: 'string', default: '600' },
  },
  `npm run bench:tracking -- [--in-flight 1,25,1000] [--families ${NAMES}] [--tasks 75] [--speed 1] [--spread <seconds>] [--times catalogue] [--account '{}'] [--postgres] [--contenders ${CONTENDERS.join(',')}] [--against <another checkout>] [--median 600]`,
  {
    numbers: ['in-flight', 'tasks', 'speed', 'spread', 'median'],
    names: { families: FAMILIES.map(({ name }) => name), times: TIMES, contenders: CONTENDERS },
  },
);
const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Up to so many tasks contenders run side by side: they hardly use the machine. With more they run in turn. */
const SIDE_BY_SIDE = 100;
/** Up to so many tasks simulators serve them. With more, they would be the bottleneck. */
const SIMULATED_UP_TO = 2000;
/** Tasks for each place, and at least so many in all, unless the options say how many. */
const TASKS_PER_PLACE = 3;
const LEAST_TASKS = 10;

/**
 * A large account of Model Studio, which documents 20 queries a second, and lists 100 jobs with one.
 */
const STAND_IN = {
  limits: { pollsPerSecond: 20, pollBatch: 100, minPollIntervalMs: 1000 },
  typical: { medianSeconds: Number(options.median), p90Seconds: 2 * Number(options.median) },
};
/** The part of the allowance that an account spends on polls unless it is configured otherwise. */
const BALANCED = 0.5;

const { signal } = catchInterruption();
await using opened = new AsyncDisposableStack();
try {
  await compareAll();
} catch (error) {
  if (!(signal.reason instanceof Interrupted)) throw error;
  process.exitCode = signal.reason.exitCode;
}

async function compareAll(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'onetake-bench-'));
  opened.defer(() => rm(dir, { recursive: true, force: true }));
  const postgres = options.postgres ? await startPostgres({ durable: true }) : undefined;
  opened.defer(async () => postgres?.close());
  const database = postgres && (() => createDatabase(postgres.url));
  for (const count of countsOf(options['in-flight'])) {
    if (count > SIMULATED_UP_TO) {
      await measureStandIn(count);
      continue;
    }
    for (const family of familiesOf(options.families))
      await compare(loadOf(family, count), (index) => ({
        dir: join(dir, `${family.name}-${count}-${index}`),
        database,
      }));
  }
}

/** The least mean delay of any schedule that sends as many polls. */
function leastDelaySeconds(inFlight: number): number {
  const { typical, limits } = STAND_IN;
  const minInterval = limits.minPollIntervalMs / 1000;
  const perJob = (BALANCED * limits.pollsPerSecond * limits.pollBatch) / inFlight;
  return leastDelayWithin(
    frontier(workloadOf('stand-in', typical), minInterval),
    meanMs(typical) / 1000,
    perJob,
  );
}

/** Measures the engine alone, as `npm run bench:cluster` does. */
async function measureStandIn(inFlight: number): Promise<void> {
  printStandInHead(inFlight, STAND_IN);
  await withPostgres(async (measure) => {
    for (const checkout of checkoutsOf(options.against))
      printStandIn(
        nameOf(checkout),
        await measure<Measured>(join(checkout, 'bench/cluster.ts'), [
          String(inFlight),
          JSON.stringify(STAND_IN satisfies Setting),
        ]),
        leastDelaySeconds(inFlight),
      );
  });
  signal.throwIfAborted();
}

/** Measures and prints all contenders under one load. */
async function compare(load: Load, placeOf: (index: number) => Omit<Place, 'signal'>): Promise<void> {
  const { family, inFlight } = load;
  const setting = { inFlight, pollsPerSecond: family.pollsPerSecond };
  const failed = new AbortController();
  const place = (index: number) => ({ ...placeOf(index), signal: AbortSignal.any([signal, failed.signal]) });
  const measure = async (contender: Contender, index: number) => {
    try {
      return figuresOf(await observe(contender, load, place(index)), setting);
    } catch (error) {
      // Ends the contenders beside it.
      failed.abort(error);
      return undefined;
    }
  };
  const contenders = contendersOf(family, options.against);
  printHead(load);
  const together = inFlight <= SIDE_BY_SIDE ? await Promise.all(contenders.map(measure)) : [];
  for (const [index, contender] of contenders.entries()) {
    failed.signal.throwIfAborted();
    const figures = together[index] ?? (await measure(contender, index));
    if (figures) printRows(contender, figures);
  }
  failed.signal.throwIfAborted();
}

function loadOf(family: Family, inFlight: number): Load {
  const typical = createCatalogue({ servers: [] }).get(family.model)?.typical;
  if (!typical) throw new Error(`the catalogue does not have ${family.model}`);
  const speed = Number(options.speed);
  const spreadSeconds = Number(options.spread ?? typical.medianSeconds / speed);
  if (!(spreadSeconds >= 0)) throw new Error(`--spread takes a number of seconds, not ${options.spread}`);
  return {
    family,
    inFlight,
    tasks: Number(options.tasks ?? Math.max(LEAST_TASKS, TASKS_PER_PLACE * inFlight)),
    speed,
    spreadSeconds,
    typical,
    times: TIMES.find((name) => name === options.times) ?? 'catalogue',
    account: JSON.parse(options.account),
  };
}

function contendersOf({ callbacks }: Family, against: string | undefined): Contender[] {
  const chosen = new Set(
    options.contenders.split(',').map((name) => {
      const found = CONTENDERS.find((contender) => contender === name);
      if (!found) throw new Error(`there is no contender ${name}; there are ${CONTENDERS.join(', ')}`);
      return found;
    }),
  );
  const direct = chosen.has('direct') ? [{ name: 'no gateway, every 5 s', pollEveryMs: 5000 }] : [];
  const gateways = checkoutsOf(against).flatMap((checkout) => {
    const name = nameOf(checkout);
    return [
      ...(chosen.has('polling') ? [{ name, checkout, callbacks: false }] : []),
      ...(callbacks && chosen.has('callbacks')
        ? [{ name: `${name}, with callbacks`, checkout, callbacks: true }]
        : []),
    ];
  });
  return [...direct, ...gateways];
}

function checkoutsOf(against: string | undefined): string[] {
  return against === undefined ? [ROOT] : [resolve(against), ROOT];
}

function nameOf(checkout: string): string {
  return checkout === ROOT ? 'onetake' : basename(checkout);
}

function countsOf(text: string): number[] {
  return text.split(',').map(Number);
}

function familiesOf(names: string): Family[] {
  return names.split(',').flatMap((name) => FAMILIES.find((family) => family.name === name) ?? []);
}
