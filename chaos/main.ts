import { setTimeout as sleep } from 'node:timers/promises';
import { catchInterruption, Interrupted } from '@onetake/gateway';
import { type ClientLog, lookOnceMore, planClients, runClient } from './clients/client.ts';
import { createApiClient } from './clients/http.ts';
import { createFaults } from './faults/faults.ts';
import { endOf, LONG, planFaults, SHORT } from './plan.ts';
import { optionsOf } from './shared/optionsOf.ts';
import { createSystem, PREFIX } from './system/system.ts';
import { watchOwnership } from './verdict/ownership.ts';
import { countUnfinished, readTasks, type TaskRecord } from './verdict/records.ts';
import { report } from './verdict/report.ts';
import { unreadableOf } from './verdict/sample.ts';
import { type Evidence, judge, VIOLATION_KINDS } from './verdict/verdict.ts';

/**
 * Three gateways on one PostgreSQL and one bucket, clients behind a load balancer, and every kind of failure: no
 * accepted task may be lost, made twice, charged wrongly, unreadable, or seen going backwards.
 *
 *   npm run chaos -- [--short] [--tasks 5000] [--nodes 3] [--cycles 9] [--seed chaos]
 *
 * A cycle has every kind of fault once and takes about six minutes; the default is an hour of cycles.
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
  { numbers: ['tasks', 'nodes', 'cycles'] },
);
const { short, seed } = values;
const usual = short ? SHORT : LONG;
const pace = { ...usual, cycles: Number(values.cycles ?? usual.cycles) };
const tasks = Number(values.tasks ?? (short ? 320 : 5000));
/** How long tasks may take to end after the last fault. The search for a lost submission takes at most six minutes. */
const PATIENCE_MS = 900_000;
/** After this time a short run no longer waits for lost submissions that are still being searched for. */
const SHORT_MS = 240_000;
const PROGRESS_MS = 10_000;

const started = performance.now();
const seconds = () => (performance.now() - started) / 1000;
const say = (line: string) => console.log(`${seconds().toFixed(1).padStart(7)} s  ${line}`);

const { within } = catchInterruption();

const system = await createSystem(Number(values.nodes), seed);
let clean = false;
try {
  clean = await run();
} catch (error) {
  if (!(error instanceof Interrupted)) throw error;
  console.error(error.message);
} finally {
  // A node that ended by itself is no violation, but its log says why it did.
  const isOfInterest = !clean || system.nodes.crashes.length > 0;
  if (isOfInterest) console.error(`The nodes' logs are in ${system.nodes.logs}`);
  await system.close(isOfInterest);
}
process.exit(clean ? 0 : 1);

async function run(): Promise<boolean> {
  const ownership = watchOwnership(system.servers.databaseUrl, system.nodes.slots);
  const api = createApiClient(system.balancer.address, system.key);
  const faults = createFaults(system, pace, { parted: ownership.parted, log: say });
  await within(faults.startNodes());
  say(`${system.nodes.slots.length} nodes listen; logs in ${system.nodes.logs}`);
  const plan = planFaults(pace, system.nodes.slots.length, seed);
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
    // Before the clients stop: a task that ends in between is reported to its client, and counts as still searched for.
    const rows = await within(
      Promise.race([load.then(() => settled(false)), searchedTooLong(), sleep(PATIENCE_MS)]).then(
        (ended) => ended ?? readTasks(system.servers.databaseUrl),
      ),
    );
    over.abort();
    await within(load);

    say('all clients are done; looking at every task once more');
    for (const client of clients) await within(lookOnceMore(client, api));
    const evidence: Evidence = {
      clients,
      tasks: rows,
      jobs: await system.upstreams.call('jobs'),
      objects: await system.machine.call('objects', PREFIX),
      faults: faults.made,
    };
    const verdict = judge(evidence, { short });
    const unplayable = await unreadableOf(evidence, system.servers.storage, seed);
    const violations = {
      ...verdict.violations,
      unreadable: [...verdict.violations.unreadable, ...unplayable],
    };
    console.log(
      report(
        evidence,
        { ...verdict, violations },
        {
          adoptions: ownership.adoptions,
          troubles: api.troubles,
          hangUps: api.hangUps,
          balancerFailures: system.balancer.failures,
          crashes: system.nodes.crashes,
          failedStarts: system.nodes.failedStarts,
          skipped: faults.skipped,
          upstreamRequests: await system.upstreams.call('requests'),
          seconds: seconds(),
        },
      ),
    );
    return VIOLATION_KINDS.every((violation) => violations[violation].length === 0);
  } finally {
    clearInterval(progress);
    over.abort();
    await Promise.all([ownership.close(), api.close()]);
  }
}

/** The tasks, once all have ended in the database too: a client learns of the end a moment before it is stopped. */
async function settled(butSearched: boolean): Promise<TaskRecord[]> {
  for (;;) {
    if ((await countUnfinished(system.servers.databaseUrl, { butSearched })) === 0) {
      const rows = await readTasks(system.servers.databaseUrl);
      // A search may have ended since then, and its task may be submitted again.
      if (rows.every(({ phase }) => isEnd(phase) || (butSearched && phase === 'submitting'))) return rows;
    }
    await sleep(250);
  }
}

function isEnd(phase: string): boolean {
  return phase === 'succeeded' || phase === 'failed';
}

/** A short run has waited long enough, and only searches for lost submissions are still running. */
async function searchedTooLong(): Promise<TaskRecord[]> {
  if (!short) return new Promise(() => undefined);
  await sleep(Math.max(0, SHORT_MS - seconds() * 1000));
  return settled(true);
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
