import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { catchInterruption, Interrupted } from '@onetake/gateway';
import { optionsOf } from '../chaos/shared/optionsOf.ts';
import NODE_FLAGS from '../scripts/nodeFlags.json' with { type: 'json' };
import { buildGateway } from '../scripts/pack/gateway.ts';
import { cpuTimeOf } from './shared/cpu.ts';
import { type Figure, report } from './shared/figures.ts';
import { childrenOf, type Memory, treeMemory } from './shared/memory.ts';

/**
 * How soon a gateway answers after it was started, with what Node has compiled kept from an earlier start, and the memory that it
 * takes: idle, after its first video, and when the children that made that have ended. The packed gateway, the one of the sources,
 * and a server of bare `node:http`, in turns.
 *
 *   npm run bench:start -- [--rounds 5]
 */
const KEY = 'sk-bench-0123456789abcdef0123';
const HEADERS = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
const BARE = `const server = require('node:http').createServer((request, response) => response.end('{}'));
server.listen(0, '127.0.0.1', () => process.stderr.write('listening on http://127.0.0.1:' + server.address().port + '\\n'));`;
const ROOT = join(import.meta.dirname, '..');
/** What the first seconds leave behind has been collected by then. Milliseconds. */
const SETTLE_MS = 3000;
const LOOK_MS = 250;
/** The longest wait for a video, and for the end of the children that made it. Milliseconds. */
const PATIENCE_MS = 120_000;

const { rounds } = optionsOf(
  { rounds: { type: 'string', default: '5' } },
  'npm run bench:start -- [--rounds 5]',
  {
    numbers: ['rounds'],
  },
);
const { signal } = catchInterruption();
const folder = await mkdtemp(join(tmpdir(), 'onetake-bench-'));
try {
  await measure(Number(rounds));
} catch (error) {
  if (!(signal.reason instanceof Interrupted)) throw error;
  process.exitCode = signal.reason.exitCode;
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measure(count: number): Promise<void> {
  const packed = await packedGateway();
  const source = join(ROOT, 'packages/gateway/src/cli/main.ts');
  const kinds: Readonly<Record<string, readonly string[]>> = {
    packed: [...NODE_FLAGS, packed, 'serve'],
    source: [...NODE_FLAGS, source, 'serve'],
    bare: ['-e', BARE],
  };
  const found: Record<string, number[]> = {};
  const note = (name: string, value: number) => {
    found[name] = [...(found[name] ?? []), value];
  };
  const noteMemory = (name: string, { resident, proportional }: Memory) => {
    note(`${name}, RSS`, resident);
    note(`${name}, PSS`, proportional);
  };
  // The first start of each keeps what Node compiles.
  for (const args of Object.values(kinds)) await started(args, async () => undefined);
  for (let round = 0; round < count; round += 1) {
    for (const [kind, args] of Object.entries(kinds)) {
      await started(args, async ({ wall, cpu, pid }) => {
        note(`${kind}: wall`, wall);
        note(`${kind}: cpu`, cpu);
        await sleep(SETTLE_MS, undefined, { signal });
        noteMemory(`${kind}: idle`, await treeMemory(pid));
      });
    }
  }
  await started(kinds.packed ?? [], async ({ url, pid }) => {
    await makeVideo(url);
    noteMemory('video', await treeMemory(pid));
    await until(async () => (await childrenOf(pid)).length === 0);
    await sleep(SETTLE_MS, undefined, { signal });
    noteMemory('after', await treeMemory(pid));
  });
  const figure = (name: string, unit: string, key: string, aim?: Figure['aim']): Figure => ({
    name,
    unit,
    rounds: found[key] ?? [],
    ...(aim ? { aim } : {}),
  });
  report([
    figure('packed: start to first answer', 'ms', 'packed: wall', { atMost: 500 }),
    figure('packed: CPU until then', 'ms', 'packed: cpu'),
    figure('sources: start to first answer', 'ms', 'source: wall'),
    figure('sources: CPU until then', 'ms', 'source: cpu'),
    figure('bare node:http: start to first answer', 'ms', 'bare: wall'),
    figure('bare node:http: CPU until then', 'ms', 'bare: cpu'),
    figure('packed: idle, RSS', 'MB', 'packed: idle, RSS', { atMost: 120 }),
    figure('packed: idle, PSS', 'MB', 'packed: idle, PSS'),
    figure('sources: idle, RSS', 'MB', 'source: idle, RSS'),
    figure('bare node:http: idle, RSS', 'MB', 'bare: idle, RSS'),
    figure('packed: with its children, just after the first video, RSS', 'MB', 'video, RSS'),
    figure('packed: with its children, just after the first video, PSS', 'MB', 'video, PSS'),
    figure('packed: when these have ended, RSS', 'MB', 'after, RSS', { atMost: 160 }),
    figure('packed: when these have ended, PSS', 'MB', 'after, PSS'),
  ]);
}

/** Builds the gateway as it is published. The packages with native code, which npm would install beside it, are those of this checkout. */
async function packedGateway(): Promise<string> {
  const modules = join(folder, 'node_modules');
  const home = join(modules, '@onetake/gateway');
  await mkdir(home, { recursive: true });
  await buildGateway('gateway', home);
  for (const scope of ['@napi-rs', '@seydx'])
    await symlink(join(ROOT, 'node_modules', scope), join(modules, scope));
  return join(home, 'dist/cli/main.js');
}

interface Started {
  readonly url: string;
  readonly pid: number;
  /** Milliseconds until the first answer. */
  readonly wall: number;
  /** Milliseconds of CPU time until then. */
  readonly cpu: number;
}

/** Starts Node with these arguments and an empty data folder, waits for an answer, and ends it after `work`. */
async function started(args: readonly string[], work: (started: Started) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(folder, 'data-'));
  const began = performance.now();
  const child = spawn(process.execPath, args, {
    cwd: dataDir,
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      ONETAKE_PORT: '0',
      ONETAKE_DATA_DIR: dataDir,
      ONETAKE_BOOTSTRAP_KEY: KEY,
      ONETAKE_LOG_LEVEL: 'silent',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
    signal,
  });
  child.on('error', () => undefined);
  const ended = once(child, 'exit');
  try {
    const url = await addressOf(child);
    await (await fetch(`${url}/healthz`, { signal })).arrayBuffer();
    const wall = performance.now() - began;
    const pid = child.pid ?? 0;
    await work({ url, pid, wall, cpu: (await cpuTimeOf(pid)).all / 1000 });
  } finally {
    child.kill();
    await ended;
    await rm(dataDir, { recursive: true, force: true });
  }
}

function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const url = /listening on (\S+)\n/.exec(said)?.[1];
      if (url) resolve(url);
    });
    child.once('close', () => reject(new Error(`it did not start: ${said}`)));
  });
}

async function makeVideo(url: string): Promise<void> {
  const body = { model: 'onetake-preview', prompt: 'a paper boat', duration: 1, resolution: '480p' };
  const submitted = await fetch(`${url}/v1/video/generations`, {
    method: 'POST',
    headers: HEADERS,
    body: JSON.stringify(body),
    signal,
  });
  const { task_id: id } = (await submitted.json()) as { readonly task_id: string };
  await until(async () => {
    const answer = await fetch(`${url}/v1/video/generations/${id}`, { headers: HEADERS, signal });
    const { status } = (await answer.json()) as { readonly status: string };
    if (status === 'failed') throw new Error('the video failed');
    return status === 'succeeded';
  });
}

async function until(reached: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; !(await reached()); ) {
    if (performance.now() > end) throw new Error('it took too long');
    await sleep(LOOK_MS, undefined, { signal });
  }
}
