import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientLog, lookOnceMore, planClients, runClient } from './clients/client.ts';
import { createApiClient } from './clients/http.ts';
import { createFaults } from './faults/faults.ts';
import { endOf, LONG, planFaults, SHORT } from './plan.ts';
import { optionsOf } from './shared/optionsOf.ts';
import { createWorld, PREFIX } from './system/system.ts';
import { watchOwnership } from './verdict/ownership.ts';
import { countUnfinished, readTasks } from './verdict/records.ts';
import { report } from './verdict/report.ts';
import { unreadableOf } from './verdict/sample.ts';
import { judge, type Remains, WRONGS } from './verdict/verdict.ts';

/**
 * Three gateways on one PostgreSQL and one bucket, clients behind a load balancer, and everything that can fail failing: no
 * accepted task may be lost, made twice, charged wrongly, unreadable, or seen going backwards.
 *
 *   npm run chaos -- [--short] [--tasks 5000] [--nodes 3] [--cycles 9] [--seed chaos]
 *
 * A cycle is every kind of fault once, about six minutes; the default is an hour of them.
 */
const values = optionsOf(
  {
    short: { type: 'boolean', default: false },
    tasks: { type: 'string' },
    nodes: { type: 'string', default: '3' },
    cycles: { type: 'string' },
    seed: { type: 'string', default: 'chaos' },
  },
  'npm run chaos -- [--short] [--tasks 5000] [--nodes 3] [--cycles 9] [--seed chaos]',
);
const { short, seed } = values;
const usual = short ? SHORT : LONG;
const pace = { ...usual, cycles: Number(values.cycles ?? usual.cycles) };
const tasks = Number(values.tasks ?? (short ? 320 : 5000));
/** How long tasks may take to end once nothing fails any more. Looking for a lost submission takes six minutes at most. */
const PATIENCE_MS = 900_000;
/** A short run looks at what there is after so long: it is to be over within four minutes, whatever happens. */
const SHORT_MS = 215_000;
const PROGRESS_MS = 10_000;

const started = performance.now();
const seconds = () => (performance.now() - started) / 1000;
const say = (line: string) => console.log(`${seconds().toFixed(1).padStart(7)} s  ${line}`);

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)));
}

const world = await createWorld(Number(values.nodes), seed);
let clean = false;
try {
  clean = await run();
} catch (error) {
  if (!interrupted.signal.aborted) throw error;
  console.error(String(interrupted.signal.reason));
} finally {
  if (!clean) console.error(`The nodes' logs are in ${world.logs}`);
  await world.close(!clean);
}
process.exit(clean ? 0 : 1);

async function run(): Promise<boolean> {
  await within(Promise.all(world.slots.map((slot) => world.fill(slot, true))));
  say(`${world.slots.length} nodes listen; logs in ${world.logs}`);

  const ownership = watchOwnership(world.servers.databaseUrl, world.slots);
  const api = createApiClient(world.balancer.address, world.key);
  const faults = createFaults(world, pace, { parted: ownership.parted, log: say });
  const plan = planFaults(pace, world.slots.length, seed);
  const clients = planClients(tasks, endOf(plan) * pace.busyShare, seed);
  const over = new AbortController();
  const progress = setInterval(() => say(progressOf(clients, ownership.loads)), PROGRESS_MS);
  try {
    const begun = performance.now();
    const load = Promise.all(
      clients.map(async (client) => {
        await sleep(client.submitAt);
        await runClient(client, api, seed, over.signal);
      }),
    );
    const trouble = Promise.all(
      plan.map(async (fault) => {
        await sleep(fault.at - (performance.now() - begun));
        await faults.make(fault);
      }),
    );
    await within(trouble);
    say('nothing fails any more');
    const patience = short ? Math.max(0, SHORT_MS - seconds() * 1000) : PATIENCE_MS;
    await within(Promise.race([load.then(settled), sleep(patience)]));
    over.abort();
    await within(load);

    say('all clients are done; looking at every task once more');
    // The rows first: what ends in between is told to its client, and counts as what was still looked for.
    const rows = await readTasks(world.servers.databaseUrl);
    for (const client of clients) await within(lookOnceMore(client, api));
    const remains: Remains = {
      clients,
      tasks: rows,
      jobs: await world.upstreams.call('jobs'),
      objects: await world.machine.call('objects', PREFIX),
      faults: faults.made,
    };
    const verdict = judge(remains, { short });
    const unplayable = await unreadableOf(remains, world.servers.storage, seed);
    const wrongs = { ...verdict.wrongs, unreadable: [...verdict.wrongs.unreadable, ...unplayable] };
    console.log(
      report(
        remains,
        { ...verdict, wrongs },
        {
          adoptions: ownership.adoptions,
          troubles: api.troubles,
          balancerFailures: world.balancer.failures,
          crashes: world.crashes,
          failedStarts: world.failedStarts,
          skipped: faults.skipped,
          upstreamRequests: await world.upstreams.call('requests'),
          seconds: seconds(),
        },
      ),
    );
    return WRONGS.every((wrong) => wrongs[wrong].length === 0);
  } finally {
    clearInterval(progress);
    over.abort();
    await Promise.all([ownership.close(), api.close()]);
  }
}

/** Every task has ended in the database too: a client is told a moment earlier than it is asked to stop. */
async function settled(): Promise<void> {
  while ((await countUnfinished(world.servers.databaseUrl)) > 0) await sleep(250);
}

/** The work, or the error of an interruption. */
function within<T>(work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    interrupted.signal.addEventListener('abort', () => reject(interrupted.signal.reason), { once: true });
    if (interrupted.signal.aborted) reject(interrupted.signal.reason);
    work.then(resolve, reject);
  });
}

function progressOf(clients: readonly ClientLog[], loads: ReadonlyMap<string, number>): string {
  const accepted = clients.filter(({ ids }) => ids.size > 0).length;
  const ended = clients.filter(({ end }) => end !== undefined).length;
  const owners = [...loads]
    .map(([owner, count]) => `${owner} ${count}`)
    .sort()
    .join(', ');
  return `${accepted} of ${clients.length} accepted, ${ended} ended; in hand: ${owners || 'nothing'}`;
}
