import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { catchInterruption, Interrupted } from '@onetake/gateway';
import { optionsOf } from '../chaos/shared/optionsOf.ts';
import { type Child, startChild } from '../chaos/shared/rpc.ts';
import type { ClientCalls } from './bytes/client.ts';
import { growthWhile } from './bytes/memory.ts';
import { type CpuTime, cpuTimeOf } from './shared/cpu.ts';
import { distributionOf } from './shared/distribution.ts';
import { type Figure, report } from './shared/figures.ts';
import { type Gateway, startGateway } from './tracking/gateway.ts';

/**
 * What moving videos costs the gateway: sending them, beside `fs.createReadStream().pipe()`; collecting them from an upstream,
 * beside a bare download to a file, and while the status of another task is queried; and memory while many are collected and sent at once. The gateway, the reference, the upstream and
 * the client are processes of their own, and the rounds of the gateway and of the reference alternate. The videos are real ones with
 * padding: FFmpeg, which checks them in a process of its own, is not measured.
 *
 *   npm run bench:bytes -- [--rounds 5] [--at-once 20] [--against ../another-checkout]
 */
const MIB = 2 ** 20;
const SERVED_BYTES = 100 * MIB;
const COLLECTED_BYTES = 50_000_000;
/** A file that was changed is trusted by then, and a process that has sent bytes has freed what it used. Milliseconds. */
const SETTLE_MS = 1300;
const QUERY_MS = 10;
/** Collections before those that are measured. */
const WARM_UP = 3;

/** For a reverse proxy, which is not there: only what the gateway does is measured. */
const ONETAKE_SENDFILE = 'X-Accel-Redirect:/protected/';
const NAMED = 50;

const PATH = '/v1/video/generations';

async function main(): Promise<void> {
  const options = optionsOf(
    {
      rounds: { type: 'string', default: '5' },
      'at-once': { type: 'string', default: '20' },
      against: { type: 'string' },
    },
    'npm run bench:bytes -- [--rounds 5] [--at-once 20] [--against checkout]',
    { numbers: ['rounds', 'at-once'] },
  );
  const checkout = options.against ?? fileURLToPath(new URL('..', import.meta.url));
  const { signal } = catchInterruption();
  try {
    await using opened = new AsyncDisposableStack();
    const dir = await mkdtemp(join(tmpdir(), 'onetake-bench-'));
    opened.defer(() => rm(dir, { recursive: true, force: true }));
    const upstream = await startServer(opened, 'upstream.ts', dir);
    const environment = {
      OPENAI_API_KEY: 'sk-upstream-0123456789',
      OPENAI_BASE_URL: `${upstream.url}/v1`,
    };
    const gateway = opened.use(
      await startGateway({
        checkout,
        dir: join(dir, 'gateway'),
        settings: {},
        environment,
      }),
    );
    const client = startChild<ClientCalls>(new URL('./bytes/client.ts', import.meta.url));
    opened.defer(() => client.close());
    const world: World = { dir, gateway, client, rounds: Number(options.rounds), signal };
    await makeVideos(world);
    const figures = [
      ...(await measureServing(world, opened)),
      // An earlier checkout may not know the setting.
      ...(options.against === undefined
        ? await measureNaming(world, { checkout, environment: { ...environment, ONETAKE_SENDFILE } })
        : []),
      ...(await measureCollecting(world, opened, upstream.url)),
    ];
    const atOnce = Number(options['at-once']);
    report(atOnce > 0 ? [...figures, ...(await measureMemory(world, atOnce))] : figures);
  } catch (error) {
    if (!(signal.reason instanceof Interrupted)) throw error;
    process.exitCode = signal.reason.exitCode;
  }
}

interface World {
  readonly dir: string;
  readonly gateway: Gateway;
  readonly client: Child<ClientCalls>;
  readonly rounds: number;
  readonly signal: AbortSignal;
}

interface Server {
  readonly url: string;
  readonly pid: number;
}

async function startServer(opened: AsyncDisposableStack, script: string, argument: string): Promise<Server> {
  const path = fileURLToPath(new URL(`./bytes/${script}`, import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [path, argument], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  opened.defer(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const [line] = await once(child.stdout ?? child, 'data');
  return { url: String(line).trim(), pid: child.pid ?? 0 };
}

const headersOf = ({ gateway }: World) => ({
  authorization: `Bearer ${gateway.apiKey}`,
  'content-type': 'application/json',
});

async function submit(world: World, request: object): Promise<string> {
  const response = await fetch(`${world.gateway.url}${PATH}`, {
    method: 'POST',
    headers: headersOf(world),
    body: JSON.stringify(request),
  });
  const { task_id: id } = (await response.json()) as { task_id?: string };
  if (id === undefined) throw new Error(`submitting was answered with ${response.status}`);
  return id;
}

async function finish(world: World, id: string): Promise<void> {
  for (;;) {
    const response = await fetch(`${world.gateway.url}${PATH}/${id}?wait=30`, { headers: headersOf(world) });
    const { status, error } = (await response.json()) as { status: string; error?: unknown };
    if (status === 'succeeded') return;
    if (status === 'failed') throw new Error(`a task failed: ${JSON.stringify(error)}`);
    world.signal.throwIfAborted();
  }
}

/** A task whose upstream has the file. */
const submitFile = (world: World, file: string): Promise<string> =>
  submit(world, { model: 'sora-2', prompt: `A quiet lake at dawn, file ${file}`, duration: 4 });

const contentOf = ({ gateway }: World, id: string): string => `${gateway.url}${PATH}/${id}/content`;

/** Lets the gateway render a short video, and pads it to the sizes that are measured. */
async function makeVideos(world: World): Promise<void> {
  const id = await submit(world, {
    model: 'onetake-preview',
    prompt: 'a quiet lake at dawn',
    duration: 1,
    resolution: '480p',
  });
  await finish(world, id);
  const response = await fetch(contentOf(world, id), { headers: headersOf(world) });
  const video = Buffer.from(await response.arrayBuffer());
  for (const [file, bytes] of [
    ['served', SERVED_BYTES],
    ['collected', COLLECTED_BYTES],
  ] as const) {
    // A box of type `free`, which players skip (ISO/IEC 14496-12, 8.1.2).
    const box = Buffer.alloc(bytes - video.length, 'padding');
    box.writeUInt32BE(box.length);
    box.write('free', 4);
    await writeFile(join(world.dir, `${file}.mp4`), [video, box]);
  }
}

/** CPU time in milliseconds while something happens, of all threads and of the main one, and how long that one waited for a core. */
async function cpuOf(pid: number, work: () => Promise<unknown>): Promise<CpuTime> {
  const before = await cpuTimeOf(pid);
  await work();
  const after = await cpuTimeOf(pid);
  return {
    all: (after.all - before.all) / 1000,
    main: (after.main - before.main) / 1000,
    mainWaited: (after.mainWaited - before.mainWaited) / 1000,
  };
}

async function measureServing(world: World, opened: AsyncDisposableStack): Promise<Figure[]> {
  const { client, gateway, rounds, signal } = world;
  const id = await submitFile(world, 'served');
  await finish(world, id);
  const stored = await largestFileIn(join(world.dir, 'gateway', 'data', 'media', 'video'));
  const bare = await startServer(opened, 'bare.ts', stored);
  const pid = gateway.pid ?? 0;
  const headers = headersOf(world);
  const download = async (url: string, least: number) => {
    if ((await client.call('download', [url], headers)) < least) throw new Error(`${url} sent too little`);
  };
  const content = () => download(contentOf(world, id), SERVED_BYTES);
  const json = () => download(`${gateway.url}${PATH}/download?id=${id}`, 2 * SERVED_BYTES);
  const reference = () => download(bare.url, SERVED_BYTES);
  const found = {
    bare: [] as number[],
    hashed: [] as number[],
    again: [] as number[],
    againMain: [] as number[],
    json: [] as number[],
  };
  for (let round = 0; round <= rounds; round++) {
    signal.throwIfAborted();
    const now = new Date();
    // As if it had been written just now, so that it must be hashed again.
    await utimes(stored, now, now);
    const hashed = await cpuOf(pid, content);
    await sleep(SETTLE_MS);
    await content();
    const first = await cpuOf(bare.pid, reference);
    const again = await cpuOf(pid, content);
    const base64 = await cpuOf(pid, json);
    // The first round compiles and fills caches.
    if (round === 0) continue;
    found.bare.push(first.all);
    found.hashed.push(hashed.all);
    found.again.push(again.all);
    found.againMain.push(again.main);
    found.json.push(base64.all);
  }
  const unit = 'ms of CPU';
  return [
    { name: 'sending 100 MiB, bare createReadStream().pipe()', unit, rounds: found.bare },
    { name: 'sending 100 MiB', unit, rounds: found.again, aim: { atMost: 70 } },
    { name: 'sending 100 MiB, main thread', unit, rounds: found.againMain },
    { name: 'sending 100 MiB for the first time in an hour: hashed', unit, rounds: found.hashed },
    { name: 'base64 download of 100 MiB of video', unit, rounds: found.json, aim: { atMost: 250 } },
  ];
}

async function largestFileIn(folder: string): Promise<string> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    await using file = await open(path);
    if ((await file.stat()).size === SERVED_BYTES) return path;
  }
  throw new Error(`there is no video of ${SERVED_BYTES} bytes in ${folder}`);
}

/** What is left of a download if a reverse proxy sends the bytes. */
async function measureNaming(
  world: World,
  { checkout, environment }: { checkout: string; environment: Readonly<Record<string, string>> },
): Promise<Figure[]> {
  const { dir, client, rounds, signal } = world;
  await using gateway = await startGateway({
    checkout,
    dir: join(dir, 'behind'),
    settings: {},
    environment,
  });
  const behind = { ...world, gateway };
  const id = await submitFile(behind, 'served');
  await finish(behind, id);
  const urls = Array.from({ length: NAMED }, () => contentOf(behind, id));
  const each: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    signal.throwIfAborted();
    const { all } = await cpuOf(gateway.pid ?? 0, () => client.call('download', urls, headersOf(behind)));
    // The first round compiles, and verifies the file in the background.
    if (round > 0) each.push(all / NAMED);
    else await sleep(SETTLE_MS);
  }
  const name = 'a download whose bytes the reverse proxy sends (X-Accel-Redirect)';
  return [{ name, unit: 'ms of CPU', rounds: each, aim: { atMost: 1 } }];
}

async function measureCollecting(
  world: World,
  opened: AsyncDisposableStack,
  upstream: string,
): Promise<Figure[]> {
  const { dir, gateway, rounds, signal } = world;
  const pid = gateway.pid ?? 0;
  const bare = await startServer(opened, 'bareCollect.ts', join(dir, 'bare.mp4'));
  const from = encodeURIComponent(`${upstream}/v1/videos/job-0-collected/content`);
  const reference = async () => {
    await (await fetch(`${bare.url}/?from=${from}`)).arrayBuffer();
    if ((await stat(join(dir, 'bare.mp4'))).size !== COLLECTED_BYTES) throw new Error('it got too little');
  };
  const collect = async () => finish(world, await submitFile(world, 'collected'));
  const known = await submitFile(world, 'collected');
  await finish(world, known);
  // The first ones compile.
  for (let times = 0; times < WARM_UP; times++) {
    await reference();
    await collect();
  }
  const found = { bare: [] as number[], all: [] as number[], main: [] as number[] };
  const alone: number[] = [];
  const p99: number[] = [];
  const waited: number[] = [];
  for (let round = 0; round < rounds; round++) {
    signal.throwIfAborted();
    found.bare.push((await cpuOf(bare.pid, reference)).all);
    const cpu = await cpuOf(pid, collect);
    found.all.push(cpu.all);
    found.main.push(cpu.main);
    const quiet = new AbortController();
    const waits = querying(world, known, quiet.signal);
    await sleep(SETTLE_MS);
    quiet.abort();
    alone.push(await waits);
    const over = new AbortController();
    const waitsMeanwhile = querying(world, known, over.signal);
    waited.push((await cpuOf(pid, collect)).mainWaited);
    over.abort();
    p99.push(await waitsMeanwhile);
  }
  const unit = 'ms of CPU';
  return [
    { name: 'downloading 50 MB, bare undici into createWriteStream()', unit, rounds: found.bare },
    { name: 'collecting 50 MB', unit, rounds: found.all, aim: { atMost: 150 } },
    { name: 'collecting 50 MB, main thread', unit, rounds: found.main },
    { name: 'status query while nothing is collected, p99', unit: 'ms', rounds: alone },
    { name: 'status query while 50 MB are collected, p99', unit: 'ms', rounds: p99, aim: { atMost: 5 } },
    { name: '… the main thread waited for a core meanwhile', unit: 'ms', rounds: waited },
  ];
}

/** The 99th percentile of the milliseconds that a query of a finished task takes, one every ten milliseconds. */
async function querying(world: World, id: string, signal: AbortSignal): Promise<number> {
  const took: number[] = [];
  while (!signal.aborted) {
    const began = performance.now();
    const response = await fetch(`${world.gateway.url}${PATH}/${id}`, { headers: headersOf(world) });
    await response.arrayBuffer();
    took.push(performance.now() - began);
    await sleep(QUERY_MS);
  }
  return distributionOf(took)?.p99 ?? Number.NaN;
}

async function measureMemory(world: World, count: number): Promise<Figure[]> {
  const known = await submitFile(world, 'collected');
  await finish(world, known);
  await sleep(SETTLE_MS);
  const urls = Array.from({ length: count }, () => contentOf(world, known));
  const growth = await growthWhile(world.gateway.pid ?? 0, async () => {
    const collecting = urls.map(async () => finish(world, await submitFile(world, 'collected')));
    await Promise.all([world.client.call('download', urls, headersOf(world)), ...collecting]);
  });
  const name = `memory above idle, ${count} x 50 MB collected and ${count} sent at once`;
  return [{ name, unit: 'MB', rounds: [growth], aim: { atMost: 200 } }];
}

await main();
