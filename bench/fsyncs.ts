import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { catchInterruption, Interrupted } from '@onetake/gateway';
import { startSimulators } from '@onetake/simulators';
import { optionsOf } from '../chaos/shared/optionsOf.ts';
import NODE_FLAGS from '../scripts/nodeFlags.json' with { type: 'json' };
import { type Figure, report } from './shared/figures.ts';

/**
 * How often the gateway waits for the disk in the life of one task on the embedded store, from its submission until its video and
 * poster are stored: alone, and of 20 together whose jobs end at the same time. Counted by `strace`, which must be installed.
 *
 *   npm run bench:fsyncs -- [--rounds 2] [--against ../another-checkout]
 */
const TOGETHER = 20;
const KEY = 'sk-bench-0123456789abcdef0123';
const HEADERS = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
const ROOT = join(import.meta.dirname, '..');
const LOOK_MS = 200;
/** Nothing was synced for so long: posters and what was learnt are stored as well. Milliseconds. */
const QUIET_MS = 3000;
const PATIENCE_MS = 120_000;

const { rounds, against } = optionsOf(
  { rounds: { type: 'string', default: '2' }, against: { type: 'string' } },
  'npm run bench:fsyncs -- [--rounds 2] [--against checkout]',
  { numbers: ['rounds'] },
);
const { signal } = catchInterruption();
const folder = await mkdtemp(join(tmpdir(), 'onetake-bench-'));
const simulators = await startSimulators({ only: ['openai'], limits: false, scale: 0.1 });
try {
  const checkouts = [ROOT, ...(against === undefined ? [] : [against])];
  const found = await Promise.all(
    checkouts.map(async (checkout) => ({ checkout, ...(await measure(checkout)) })),
  );
  report(found.flatMap(({ checkout, alone, together }) => figuresOf(checkout, alone, together)));
} catch (error) {
  if (!(signal.reason instanceof Interrupted)) throw error;
  process.exitCode = signal.reason.exitCode;
} finally {
  await simulators.close();
  await rm(folder, { recursive: true, force: true });
}

function figuresOf(checkout: string, alone: readonly number[], together: readonly number[]): Figure[] {
  const where = checkout === ROOT ? '' : ` (${checkout})`;
  return [
    { name: `syncs of a task alone${where}`, unit: 'syncs', rounds: alone, aim: { atMost: 6 } },
    {
      name: `syncs of a task, ${TOGETHER} together${where}`,
      unit: 'syncs',
      rounds: together,
      aim: { atMost: 3 },
    },
  ];
}

async function measure(checkout: string): Promise<{ alone: number[]; together: number[] }> {
  const dir = await mkdtemp(join(folder, 'gateway-'));
  const trace = join(dir, 'trace');
  const account = {
    provider: 'openai',
    flavour: 'openai',
    base_url: `${simulators.urls.openai}/v1`,
    api_key: { env: 'BENCH_KEY' },
    models: ['sora-2'],
    limits: { in_flight: 100, submits_per_minute: 6000, polls_per_second: 100 },
  };
  await writeFile(join(dir, 'onetake.yaml'), JSON.stringify({ accounts: { bench: account } }));
  const child = spawn(
    'strace',
    [
      '-f',
      // A signal ends it, and what it traces.
      '-I2',
      '-e',
      'trace=fsync,fdatasync',
      '-o',
      trace,
      process.execPath,
      ...NODE_FLAGS,
      join(checkout, 'packages/gateway/src/cli/main.ts'),
      'serve',
    ],
    {
      cwd: dir,
      env: {
        PATH: process.env.PATH,
        TMPDIR: dir,
        BENCH_KEY: simulators.keys.openai,
        ONETAKE_CONFIG: join(dir, 'onetake.yaml'),
        ONETAKE_PORT: '0',
        ONETAKE_DATA_DIR: join(dir, 'data'),
        ONETAKE_BOOTSTRAP_KEY: KEY,
        ONETAKE_LOG_LEVEL: 'silent',
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  const ended = once(child, 'exit');
  try {
    const url = await addressOf(child);
    const syncs = async () => (await readFile(trace, 'utf8')).match(/f(?:data)?sync\(/g)?.length ?? 0;
    const quiet = () => untilQuiet(syncs);
    const countOf = async (tasks: number) => {
      const before = await quiet();
      await makeVideos(url, tasks);
      return ((await quiet()) - before) / tasks;
    };
    // The first makes folders.
    await countOf(1);
    const [alone, together]: [number[], number[]] = [[], []];
    for (let round = 0; round < Number(rounds); round++) {
      alone.push(await countOf(1));
      together.push(await countOf(TOGETHER));
    }
    return { alone, together };
  } finally {
    child.kill();
    await ended;
  }
}

function addressOf(child: ReturnType<typeof spawn>): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const url = /listening on (\S+)\n/.exec(said)?.[1];
      if (url) resolve(url);
    });
    child.once('error', (cause) =>
      reject(new Error('strace cannot be started; is it installed?', { cause })),
    );
    child.once('close', () => reject(new Error(`the gateway did not start: ${said}`)));
  });
}

/** Makes videos whose jobs end at the same time. */
async function makeVideos(url: string, count: number): Promise<void> {
  const body = (n: number) =>
    JSON.stringify({ model: 'sora-2', prompt: `a paper boat ${n} [hold]`, duration: 4 });
  const ask = async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(`${url}/v1/video/generations${path}`, { headers: HEADERS, signal, ...init });
    if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
    return (await answer.json()) as { readonly task_id: string; readonly status: string };
  };
  const tasks = await Promise.all(
    Array.from({ length: count }, (_, n) => ask('', { method: 'POST', body: body(n) })),
  );
  const all = (status: string) =>
    until(async () => {
      const now = await Promise.all(tasks.map(({ task_id: id }) => ask(`/${id}`)));
      if (now.some((task) => task.status === 'failed')) throw new Error('a video has failed');
      return now.every((task) => task.status === status);
    });
  await all('in_progress');
  simulators.finishAll();
  await all('succeeded');
}

/** Resolves with the number of syncs once it does not change any more. */
async function untilQuiet(syncs: () => Promise<number>): Promise<number> {
  let last = await syncs();
  for (;;) {
    await sleep(QUIET_MS, undefined, { signal });
    const now = await syncs();
    if (now === last) return now;
    last = now;
  }
}

async function until(reached: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; !(await reached()); ) {
    if (performance.now() > end) throw new Error('it took too long');
    await sleep(LOOK_MS, undefined, { signal });
  }
}
