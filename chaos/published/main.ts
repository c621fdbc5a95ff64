import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { catchInterruption, createLog, createNativePool, Interrupted, probeVideo } from '@onetake/gateway';
import { startSimulators } from '@onetake/simulators';
import { settingsAtSpeed } from '../../scripts/families.ts';
import { WIDE_LIMITS } from '../shared/families.ts';
import { optionsOf } from '../shared/optionsOf.ts';
import { startChild } from '../shared/rpc.ts';
import type { GuardCalls } from '../system/children/guard.ts';
import { CLIENTS } from './clients.ts';
import { installPublished } from './install.ts';
import { planRounds } from './plan.ts';
import { playRound, type Stage } from './round.ts';
import { type Outcome, report, wrongsOf } from './verdict.ts';

/**
 * Every client that is published, and the gateway, as they are packed and installed: one video without trouble, then one in each round while the
 * client is killed, the network is cut, or the gateway is killed or stopped. Each must end with the whole file, and one task.
 *
 *   npm run chaos:clients -- [--rounds 50] [--seed clients] [--clients cli,mcp] [--only 7] [--folder <folder>]
 */
const names = CLIENTS.map(({ name }) => name);
const USAGE =
  'npm run chaos:clients -- [--rounds 50] [--seed clients] [--clients cli,mcp] [--only 7] [--folder <folder of an earlier run>]';
const values = optionsOf(
  {
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string', default: 'clients' },
    clients: { type: 'string', default: names.join(',') },
    only: { type: 'string' },
    folder: { type: 'string' },
  },
  USAGE,
  { numbers: ['rounds', 'only'], names: { clients: names } },
);

/** Two minutes of a simulator in a second. */
const SCALE = 0.008;
const KEY = 'sk-chaos-0123456789abcdef0123';

const started = performance.now();
const say = (line: string) =>
  console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(7)} s  ${line}`);

const { within } = catchInterruption();
const opened = new AsyncDisposableStack();
let clean = false;
try {
  clean = await within(run());
} catch (error) {
  if (!(error instanceof Interrupted)) throw error;
  console.error(error.message);
} finally {
  await opened.disposeAsync();
}
process.exit(clean ? 0 : 1);

async function run(): Promise<boolean> {
  const dir = await mkdtemp(join(tmpdir(), 'onetake-clients-'));
  opened.defer(async () => {
    if (clean) await rm(dir, { recursive: true, force: true });
    else console.error(`The logs are in ${dir}`);
  });
  const stage = await openStage(dir);
  const rounds = planRounds(Number(values.rounds), names, values.seed);
  const outcomes: Outcome[] = [];
  for (const [number, round] of rounds.entries()) {
    if (values.only !== undefined && Number(values.only) !== number) continue;
    const folder = join(dir, String(number));
    await mkdir(folder);
    const played = await playRound(stage, round, folder);
    outcomes.push(...played);
    const kinds = [...new Set(played.map(({ kind }) => kind))];
    say(`round ${number}: ${kinds.join(', ')}`);
    const wrong = played.filter((outcome) => wrongsOf(outcome).length > 0);
    for (const outcome of wrong)
      say(`  ${outcome.client}, ${outcome.kind}: ${wrongsOf(outcome).join('; ')}; see ${folder}`);
    if (wrong.length === 0) await rm(folder, { recursive: true, force: true });
  }
  console.log(report(outcomes));
  return outcomes.every((outcome) => wrongsOf(outcome).length === 0);
}

/** Installs everything, and starts what all rounds share. */
async function openStage(dir: string): Promise<Stage> {
  const guard = startChild<GuardCalls>(new URL('../system/children/guard.ts', import.meta.url));
  opened.defer(() => guard.close());
  const folder = values.folder ?? join(dir, 'installed');
  await mkdir(folder, { recursive: true });
  const installed = await installPublished(folder);
  say('everything is installed');
  const chosen = values.clients.split(',');
  const clients = CLIENTS.filter(({ name, needsPython }) => {
    if (!chosen.includes(name)) return false;
    const isThere = !needsPython || installed.noPython === undefined;
    if (!isThere && process.env.CI === 'true') throw new Error(installed.noPython);
    if (!isThere) say(`without ${name}, which needs python3 and its package index: ${installed.noPython}`);
    return isThere;
  });
  const simulators = await startSimulators({
    seed: values.seed,
    scale: SCALE,
    limits: false,
    only: ['kling'],
  });
  opened.defer(() => simulators.close());
  const config = join(dir, 'onetake.yaml');
  await writeFile(config, settingsAtSpeed(1 / SCALE, simulators.environment, WIDE_LIMITS));
  const native = createNativePool({ concurrency: 1, log: createLog('silent') });
  opened.defer(() => native.close());
  return {
    installed,
    clients,
    simulators,
    settings: {
      ...simulators.environment,
      ONETAKE_CONFIG: config,
      ONETAKE_PORT: '0',
      ONETAKE_BOOTSTRAP_KEY: KEY,
      NODE_COMPILE_CACHE: join(dir, 'compiled'),
    },
    adminKey: KEY,
    guard,
    async unplayable(file) {
      const verdict = await probeVideo(native, file);
      return verdict.ok ? undefined : `${verdict.problem}, ${verdict.detail}`;
    },
  };
}
