import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLog, readConfig, startGateway } from '@onetake/gateway';
import { startSimulators } from '@onetake/simulators';
import { SIMULATORS, settingsAtSpeed } from '../../scripts/families.ts';
import { SOAKED, WIDE_LIMITS } from '../shared/families.ts';
import { optionsOf } from '../shared/optionsOf.ts';
import { planTasks } from '../shared/plannedTasks.ts';
import { addFaults } from './faults.ts';
import { judge, type Outcome } from './verdict.ts';

/**
 * Many tasks over all families while their upstreams fail in every way they can: every task must end correctly, and each
 * video must be paid for once.
 *
 *   npm run soak -- [--tasks 2000] [--faults 0.1] [--seed soak]
 */
const values = optionsOf(
  {
    tasks: { type: 'string', default: '2000' },
    faults: { type: 'string', default: '0.1' },
    seed: { type: 'string', default: 'soak' },
  },
  'npm run soak -- [--tasks 2000] [--faults 0.1] [--seed soak]',
  { numbers: ['tasks', 'faults'] },
);
const count = Number(values.tasks);
const probability = Number(values.faults);

/** Two minutes of a simulator in six seconds. */
const SCALE = 0.05;
/** Submissions in progress at a time: a busy client, not a flood. */
const SUBMITTERS = 16;
/** Between two attempts of a request. */
const REPEAT_MS = 500;
const KEY = 'sk-soak-0123456789abcdef0123';

const dataDir = await mkdtemp(join(tmpdir(), 'onetake-soak-'));
const simulators = await startSimulators({
  seed: values.seed,
  scale: SCALE,
  limits: false,
  only: SIMULATORS,
});
addFaults(simulators.faults, probability);
const gateway = await startGateway(
  readConfig(
    {
      ...simulators.environment,
      ONETAKE_CONFIG: 'soak.yaml',
      ONETAKE_PORT: '0',
      ONETAKE_DATA_DIR: dataDir,
      ONETAKE_BOOTSTRAP_KEY: KEY,
      ONETAKE_LOG_LEVEL: 'silent',
      // Faults without an answer hold a call for this long.
      ONETAKE_CALL_TIMEOUT_SECONDS: '5',
    },
    () => settingsAtSpeed(1 / SCALE, simulators.environment, WIDE_LIMITS),
  ),
  createLog('silent'),
);
const started = performance.now();
let failed = true;
try {
  const tasks = planTasks(count, SOAKED, values.seed);
  const outcomes: Outcome[] = [];
  const queue = [...tasks];
  await Promise.all(
    Array.from({ length: SUBMITTERS }, async () => {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const { body } = next;
        const { task_id: id } = await call('/v1/video/generations', {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'idempotency-key': `soak-${tasks.indexOf(next)}` },
          body: JSON.stringify(body),
        });
        outcomes.push({ planned: next, id, task: undefined });
      }
    }),
  );
  console.log(`${outcomes.length} tasks accepted in ${seconds()} s`);
  const progress = setInterval(() => {
    const open = outcomes.filter(({ task }) => task === undefined);
    const per = Object.entries(Object.groupBy(open, ({ planned }) => planned.family.upstream));
    const words = per.map(([upstream, tasks]) => `${upstream} ${tasks?.length}`).join(', ');
    console.log(
      `${seconds()} s: ${open.length} open (${words}), ${simulators.ledger.count()} requests upstream`,
    );
  }, 10_000);
  await Promise.all(
    outcomes.map(async (outcome) => {
      do outcome.task = await call(`/v1/video/generations/${outcome.id}?wait=30`);
      while (outcome.task.status !== 'succeeded' && outcome.task.status !== 'failed' && clear(outcome));
    }),
  );
  clearInterval(progress);
  console.log(`all ended after ${seconds()} s`);
  const verdict = judge(outcomes, simulators.ledger, simulators.faults);
  console.log(verdict.report);
  failed = verdict.wrong > 0;
} finally {
  await gateway.close();
  await simulators.close();
  await rm(dataDir, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);

function clear(outcome: Outcome): true {
  outcome.task = undefined;
  return true;
}

function seconds(): string {
  return ((performance.now() - started) / 1000).toFixed(1);
}

/** Repeats what was not answered, as a client would: more of them may connect at once than the machine lets wait. */
// biome-ignore lint/suspicious/noExplicitAny: responses of the public API, read field by field
async function call(path: string, init: RequestInit = {}): Promise<any> {
  let response: Response | undefined;
  while (!response) {
    response = await fetch(new URL(path, gateway.address), {
      ...init,
      headers: { ...init.headers, authorization: `Bearer ${KEY}` },
    }).catch(() => sleep(REPEAT_MS, undefined));
  }
  const body = await response.json();
  if (!response.ok) throw new Error(`${response.status} ${JSON.stringify(body)}`);
  return body;
}
