import { optionsOf } from '../chaos/shared/optionsOf.ts';
import { stream } from '../chaos/shared/random.ts';
import { createDatabase, startPostgres } from '../scripts/servers/postgres.ts';
import { createProvider } from './limits/provider.ts';
import { createWaits, type Waits } from './limits/waits.ts';
import { type BenchAccount, createLimitsWorld, type LimitsNode, type LimitsWorld } from './limits/world.ts';

/**
 * Three nodes keep the limits of accounts in one database, for an hour of virtual time: engines, limits, store and PostgreSQL are real;
 * only the clocks and the providers are not. Meanwhile nodes are killed and join, and the clock of the database is set.
 *
 *   npm run bench:limits -- [--minutes 60] [--seed limits]
 */
const { minutes, seed } = optionsOf(
  { minutes: { type: 'string', default: '60' }, seed: { type: 'string', default: 'limits' } },
  'npm run bench:limits -- [--minutes 60] [--seed limits]',
  { numbers: ['minutes'] },
);
const DURATION_MS = Number(minutes) * 60_000;
/** Nothing is measured before: the bursts that were saved are used up. Milliseconds. */
const WARM_UP_MS = 15_000;
/** How far the clock of the database goes ahead, and back again. Milliseconds. */
const JUMPS_MS = [3000, 300_000] as const;
/** Tasks that wait at each node, at least. */
const QUEUE = 30;
/** How often a node without other work submits one task. Milliseconds. */
const LONE_MS = 20_000;

const random = stream(seed);
const between = (from: number, to: number) => () => from + random() * (to - from);
const NO_LIMIT = {
  inFlight: 10_000,
  submitsPerMinute: 60_000,
  pollsPerSecond: 1000,
  pollBatch: 1,
  minPollIntervalMs: 5000,
};

let world: LimitsWorld;
const now = () => world.now();
const account = (
  id: string,
  duration: () => number,
  limits: Partial<BenchAccount['limits']>,
): BenchAccount => ({
  id,
  limits: { ...NO_LIMIT, ...limits },
  provider: createProvider(id, now, duration),
});
/** Each account lacks something else. */
const PLACES = account('places', between(20_000, 60_000), { inFlight: 20 });
const STARTS = account('starts', between(5000, 15_000), { submitsPerMinute: 60 });
const POLLS = account('polls', between(30_000, 60_000), {
  inFlight: 60,
  pollsPerSecond: 10,
  minPollIntervalMs: 1000,
});
/** Nobody uses this one but a node without other work. */
const IDLE = account('idle', between(5000, 15_000), { inFlight: 2 });

const postgres = await startPostgres();
try {
  await using opened = await createLimitsWorld(
    await createDatabase(postgres.url),
    [PLACES, STARTS, POLLS, IDLE],
    random,
  );
  world = opened;
  await run();
} finally {
  await postgres.close();
}

/** What happens, at which part of the time. */
function plan(): [at: number, what: string, happens: (nodes: LimitsNode[]) => Promise<void>][] {
  const kill = async (nodes: LimitsNode[]) => {
    const [victim] = nodes.splice(Math.floor(random() * (nodes.length - 1)), 1);
    await victim?.kill();
  };
  const join = async (nodes: LimitsNode[]) => void nodes.unshift(await world.join());
  const set = (ms: number) => async () => world.setDatabaseClock(ms);
  return [
    [0.15, 'a node is killed', kill],
    [0.2, 'a node joins', join],
    [0.3, 'the clock of the database goes 3 s ahead', set(JUMPS_MS[0])],
    [0.4, 'the clock of the database goes 3 s back', set(-JUMPS_MS[0])],
    [0.5, 'a node is killed', kill],
    [0.52, 'a node joins', join],
    [0.6, 'the clock of the database goes 5 min ahead', set(JUMPS_MS[1])],
    [0.7, 'the clock of the database goes 5 min back', set(-JUMPS_MS[1])],
    [0.8, 'a node is killed', kill],
    [0.82, 'a node joins', join],
  ];
}

async function run(): Promise<void> {
  // The last node submits only a task from time to time.
  const nodes = [await world.join(), await world.join(), await world.join(), await world.join()];
  const events = plan();
  const submitted = new Map<BenchAccount, number>();
  const submit = async (node: LimitsNode, account: BenchAccount, tasks: number, key?: string) => {
    submitted.set(account, (submitted.get(account) ?? 0) + tasks);
    return node.submit(account.id, tasks, key);
  };
  const waits = createWaits([PLACES, STARTS, POLLS], now, WARM_UP_MS);
  const lone = new Map<string, { readonly account: BenchAccount; readonly at: number }>();
  let loneAt = WARM_UP_MS;
  let before: ReadonlyMap<string, number> = new Map();

  /** Keeps tasks waiting at each node. They are counted together, because nodes transfer tasks to nodes that have fewer. */
  async function topUp(busy: readonly LimitsNode[]): Promise<void> {
    for (const account of [PLACES, STARTS, POLLS]) {
      const waiting = (submitted.get(account) ?? 0) - account.provider.seen.starts.length;
      if (waiting < QUEUE * busy.length) for (const node of busy) await submit(node, account, QUEUE);
    }
  }

  await world.pass(DURATION_MS, async () => {
    const [next] = events;
    if (next && now() >= next[0] * DURATION_MS) {
      events.shift();
      await next[2](nodes);
      console.log(`${(now() / 60_000).toFixed(1)} min: ${next[1]}`);
    }
    waits.look(nodes);
    await topUp(nodes.slice(0, -1));
    if (now() >= WARM_UP_MS && before.size === 0) before = new Map(world.statements);
    const last = nodes.at(-1);
    if (!last || now() < loneAt) return;
    loneAt = now() + LONE_MS;
    for (const one of [IDLE, STARTS])
      for (const id of await submit(last, one, 1, 'lone')) lone.set(id, { account: one, at: now() });
  });
  report({ waits, lone, before, nodes });
}

interface Measured {
  readonly waits: Waits;
  readonly lone: ReadonlyMap<string, { readonly account: BenchAccount; readonly at: number }>;
  readonly before: ReadonlyMap<string, number>;
  readonly nodes: readonly LimitsNode[];
}

function report({ waits, lone, before, nodes }: Measured): void {
  const figures: Record<string, string> = {};
  const seconds = (DURATION_MS - WARM_UP_MS) / 1000;
  /** Calls that a clock which goes ahead allows, at most a burst of ten, are not counted. */
  const share = (times: readonly number[], perSecond: number) => {
    const more = JUMPS_MS.reduce((sum, ms) => sum + Math.min(10, (ms / 1000) * perSecond), 0);
    const calls = times.filter((at) => at >= WARM_UP_MS).length - more;
    return `${((100 * calls) / (perSecond * seconds)).toFixed(2)}%`;
  };
  for (const { id, limits, provider } of [PLACES, POLLS])
    figures[`${id}: most jobs at the provider, of ${limits.inFlight}`] = String(provider.seen.mostJobs);
  const starts = STARTS.provider.seen.starts.map(({ at }) => at);
  figures['starts: used of the rate of 60 a minute'] = share(starts, 1);
  figures['starts: most in a minute, with a burst of 10'] = String(mostWithin(starts, 60_000));
  figures['polls: used of the rate of 10 a second'] = share(POLLS.provider.seen.polls, 10);
  figures['polls: most in a second, with a burst of 10'] = String(
    mostWithin(POLLS.provider.seen.polls, 1000),
  );
  // A node waits for two turns of all nodes at most: so long at a rate, and so many places that others take.
  const turns = 2 * nodes.length;
  figures[`starts: longest wait of a node with waiting tasks, at most ${turns + 2} s`] =
    `${(waits.longest(STARTS.id).ms / 1000).toFixed(1)} s`;
  for (const { id } of [PLACES, POLLS]) {
    const { ms, others } = waits.longest(id);
    figures[`${id}: most starts elsewhere while a node had waiting tasks, about ${turns}`] = String(others);
    figures[`${id}: longest wait of a node with waiting tasks`] = `${(ms / 1000).toFixed(1)} s`;
  }
  for (const one of [IDLE, STARTS]) {
    const delays = one.provider.seen.starts.flatMap(({ taskId, at }) => {
      const submitted = lone.get(taskId);
      return submitted?.account === one ? [at - submitted.at] : [];
    });
    figures[`${one.id}: longest wait of a lone task at an idle node`] =
      `${(Math.max(...delays) / 1000).toFixed(2)} s`;
  }
  for (const [name, count] of world.statements)
    figures[`${name}: calls a second and node`] = (
      (count - (before.get(name) ?? 0)) /
      seconds /
      nodes.length
    ).toFixed(2);
  console.table(figures);
}

/** The most of these times within any window of `ms`. */
function mostWithin(times: readonly number[], ms: number): number {
  const ordered = times.filter((at) => at >= WARM_UP_MS).sort((a, b) => a - b);
  let most = 0;
  for (let last = 0, first = 0; last < ordered.length; last++) {
    while ((ordered[last] ?? 0) - (ordered[first] ?? 0) >= ms) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}
