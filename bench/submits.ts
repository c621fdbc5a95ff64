import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { catchInterruption, Interrupted } from '@onetake/gateway';
import { Client } from 'undici';
import { optionsOf } from '../chaos/shared/optionsOf.ts';
import { type SendLoad, startClient } from './query/servers.ts';
import { type CpuTime, cpuTimeOf } from './shared/cpu.ts';
import { distributionOf } from './shared/distribution.ts';
import { type Figure, report } from './shared/figures.ts';
import {
  KEY,
  type Server,
  SUBMIT_PATH,
  startBare,
  startGateway,
  startUpstream,
  submission,
} from './submits/servers.ts';

/**
 * Durable submissions to the embedded store: from 64 clients at once, beside a bare server that commits the same rows in groups; and
 * status queries while one client submits as fast as it is answered. The tasks stay queued, so that nothing but their submission is
 * measured. Everything is measured in turns; read the ratios and the CPU times.
 *
 *   npm run bench:submits -- [--submits 3000] [--rounds 3] [--against ../another-checkout]
 */
const CLIENTS = 64;
/** Connections that query the status of one task, each as soon as it is answered, from a process of their own. */
const POLLERS = 16;
/** How many queries are a round of them. */
const QUERIES = 60_000;
/** After so many submissions the submitting client has started up: until then it takes a core for itself. */
const WARM_UP = 200;

const HEADERS = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
/** The number of the last submission of this process. */
let submitted = 0;

const [first, base = ''] = process.argv.slice(2);
if (first === 'submit') await submitFlatOut(base);
else await main();

async function main(): Promise<void> {
  const options = optionsOf(
    {
      submits: { type: 'string', default: '3000' },
      rounds: { type: 'string', default: '3' },
      against: { type: 'string' },
    },
    'npm run bench:submits -- [--submits 3000] [--rounds 3] [--against checkout]',
    { numbers: ['submits', 'rounds'] },
  );
  const { signal } = catchInterruption();
  try {
    await using opened = new AsyncDisposableStack();
    const dir = await mkdtemp(join(tmpdir(), 'onetake-bench-'));
    opened.defer(() => rm(dir, { recursive: true, force: true }));
    const upstream = await startUpstream(opened);
    const start = async (name: string, checkout: string) =>
      opened.use(await startGateway(checkout, join(dir, name), upstream));
    const bare = opened.use(await startBare(join(dir, 'bare')));
    const gateways: Named[] = [];
    if (options.against !== undefined)
      gateways.push({ name: 'before', server: await start('before', resolve(options.against)) });
    gateways.push({
      name: 'onetake',
      server: await start('here', fileURLToPath(new URL('..', import.meta.url))),
    });
    const [rounds, submits] = [Number(options.rounds), Number(options.submits)];
    report([
      ...(await measureSubmits({ bare, gateways, rounds, submits, signal })),
      ...(await measureQueries(gateways, startClient(opened), rounds, signal)),
    ]);
  } catch (error) {
    if (!(signal.reason instanceof Interrupted)) throw error;
    process.exitCode = signal.reason.exitCode;
  }
}

interface Named {
  readonly name: string;
  readonly server: Server;
}

interface Rounds {
  readonly bare: Server;
  readonly gateways: readonly Named[];
  readonly rounds: number;
  readonly submits: number;
  readonly signal: AbortSignal;
}

/** Of a submission: the rate of all clients, and CPU time in microseconds. */
interface Submits {
  readonly rate: number;
  readonly main: number;
  readonly all: number;
}

async function measureSubmits({ bare, gateways, rounds, submits, signal }: Rounds): Promise<Figure[]> {
  const servers: readonly Named[] = [{ name: 'bare', server: bare }, ...gateways];
  const measured = new Map<string, Submits[]>(servers.map(({ name }) => [name, []]));
  // Compiled, and with full caches.
  for (const { server } of servers) await submitMany(server, Math.min(submits, 2000), signal);
  for (let round = 0; round < rounds; round++)
    for (const { name, server } of servers)
      measured.get(name)?.push(await submitMany(server, submits, signal));
  const valuesOf = (name: string, what: keyof Submits) =>
    (measured.get(name) ?? []).map((values) => values[what]);
  const [bareRates, bareCpu] = [valuesOf('bare', 'rate'), valuesOf('bare', 'all')];
  return [
    { name: 'submits, bare group commit', unit: '/s', rounds: bareRates },
    { name: 'CPU of a submit, bare, process', unit: 'µs', rounds: bareCpu },
    ...gateways.flatMap(({ name }): Figure[] => {
      const aims = name === 'onetake';
      const rates = valuesOf(name, 'rate');
      return [
        { name: `submits, ${name}`, unit: '/s', rounds: rates },
        {
          name: `submits, ${name}, of bare`,
          unit: '×',
          rounds: ratios(rates, bareRates),
          ...(aims ? { aim: { atLeast: 0.5 } } : {}),
        },
        {
          name: `CPU of a submit, ${name}, main thread`,
          unit: 'µs',
          rounds: valuesOf(name, 'main'),
          ...(aims ? { aim: { atMost: 100 } } : {}),
        },
        { name: `CPU of a submit, ${name}, process`, unit: 'µs', rounds: valuesOf(name, 'all') },
        {
          name: `CPU of a submit, bare, of ${name}`,
          unit: '×',
          rounds: ratios(bareCpu, valuesOf(name, 'all')),
        },
      ];
    }),
  ];
}

function ratios(values: readonly number[], of: readonly number[]): number[] {
  return values.map((value, round) => value / (of[round] ?? Number.NaN));
}

async function submitMany({ url, pid }: Server, count: number, signal: AbortSignal): Promise<Submits> {
  const clients = Array.from({ length: CLIENTS }, () => new Client(url));
  let left = count;
  const before = await cpuTimeOf(pid);
  const began = performance.now();
  await Promise.all(
    clients.map(async (client) => {
      while (left-- > 0 && !signal.aborted) await submitOne(client);
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  const after = await cpuTimeOf(pid);
  await Promise.all(clients.map((client) => client.close()));
  return {
    rate: count / seconds,
    main: (after.main - before.main) / count,
    all: (after.all - before.all) / count,
  };
}

/** Resolves with the id of the task. */
async function submitOne(client: Client): Promise<string> {
  const request = {
    path: SUBMIT_PATH,
    method: 'POST',
    headers: HEADERS,
    body: submission(submitted++),
  } as const;
  const { statusCode, body } = await client.request(request);
  const answer = await body.text();
  if (statusCode !== 200) throw new Error(`a submission was answered with ${statusCode}: ${answer}`);
  return JSON.parse(answer).task_id;
}

interface Queries {
  readonly rate: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** CPU time of the main thread of the gateway for each query, with that of the submits beside them; microseconds. */
  readonly cpu: number;
  /** What the main thread of the gateway, and the process that queries, did of the time; the rest they slept. Per cent. */
  readonly serverRan: number;
  readonly serverWaited: number;
  readonly clientRan: number;
  readonly clientWaited: number;
}

async function measureQueries(
  gateways: readonly Named[],
  send: SendLoad,
  rounds: number,
  signal: AbortSignal,
): Promise<Figure[]> {
  const measured = new Map(
    gateways.map(({ name }) => [name, { alone: [] as Queries[], beside: [] as Queries[] }]),
  );
  const submits = new Map<string, number[]>(gateways.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; round++)
    for (const { name, server } of gateways) {
      const path = await queuedTask(server);
      signal.throwIfAborted();
      const alone = await query(server, path, send);
      const submitter = startSubmitter(server);
      await submitter.ready;
      const beside = await query(server, path, send);
      const rate = await submitter.end();
      // The first round warms up.
      if (round < 0) continue;
      measured.get(name)?.alone.push(alone);
      measured.get(name)?.beside.push(beside);
      submits.get(name)?.push(rate);
    }
  return gateways.flatMap(({ name }): Figure[] => {
    const { alone = [], beside = [] } = measured.get(name) ?? {};
    const values = (of: readonly Queries[], what: keyof Queries) => of.map((queries) => queries[what]);
    const aims = name === 'onetake';
    return [
      { name: `status queries, ${name}, alone`, unit: '/s', rounds: values(alone, 'rate') },
      {
        name: `status queries, ${name}, beside a submitting client`,
        unit: '/s',
        rounds: values(beside, 'rate'),
      },
      {
        name: `status queries, ${name}, beside, of alone`,
        unit: '×',
        rounds: ratios(values(beside, 'rate'), values(alone, 'rate')),
        ...(aims ? { aim: { atLeast: 0.9 } } : {}),
      },
      { name: `p50 of a status query, ${name}, alone`, unit: 'ms', rounds: values(alone, 'p50') },
      { name: `p50 of a status query, ${name}, beside`, unit: 'ms', rounds: values(beside, 'p50') },
      {
        name: `p99 of a status query, ${name}, beside, above alone`,
        unit: 'ms',
        rounds: beside.map(({ p99 }, round) => p99 - (alone[round]?.p99 ?? Number.NaN)),
        ...(aims ? { aim: { atMost: 2 } } : {}),
      },
      { name: `submits of the one client, ${name}`, unit: '/s', rounds: submits.get(name) ?? [] },
      ...[
        { called: 'alone', of: alone },
        { called: 'beside', of: beside },
      ].flatMap(({ called, of }): Figure[] => [
        {
          name: `CPU of a status query, ${name}, main thread, ${called}`,
          unit: 'µs',
          rounds: values(of, 'cpu'),
        },
        { name: `main thread of ${name}, ${called}: running`, unit: '%', rounds: values(of, 'serverRan') },
        {
          name: `main thread of ${name}, ${called}: waiting for a core`,
          unit: '%',
          rounds: values(of, 'serverWaited'),
        },
        { name: `querying client, ${name}, ${called}: running`, unit: '%', rounds: values(of, 'clientRan') },
        {
          name: `querying client, ${name}, ${called}: waiting for a core`,
          unit: '%',
          rounds: values(of, 'clientWaited'),
        },
      ]),
    ];
  });
}

async function queuedTask({ url }: Server): Promise<string> {
  const client = new Client(url);
  const id = await submitOne(client);
  await client.close();
  return `${SUBMIT_PATH}/${id}`;
}

async function query({ url, pid }: Server, path: string, send: SendLoad): Promise<Queries> {
  const { port } = new URL(url);
  const load = {
    port: Number(port),
    paths: [path],
    headers: { authorization: HEADERS.authorization },
    status: 200,
    requests: QUERIES,
    connections: POLLERS,
    pipelining: 1,
  };
  const both = () => Promise.all([cpuTimeOf(pid), cpuTimeOf(send.pid)]);
  const [server, client] = await both();
  const began = performance.now();
  const took = await send(load);
  const ms = performance.now() - began;
  const [serverAfter, clientAfter] = await both();
  const share = (before: CpuTime, after: CpuTime, what: keyof CpuTime) =>
    (after[what] - before[what]) / 1000 / ms / 0.01;
  const { p50, p99 } = distributionOf(took) ?? { p50: Number.NaN, p99: Number.NaN };
  return {
    rate: (took.length / ms) * 1000,
    p50,
    p99,
    cpu: (serverAfter.main - server.main) / took.length,
    serverRan: share(server, serverAfter, 'main'),
    serverWaited: share(server, serverAfter, 'mainWaited'),
    clientRan: share(client, clientAfter, 'main'),
    clientWaited: share(client, clientAfter, 'mainWaited'),
  };
}

interface Submitter {
  /** Resolves when the client is at full speed. */
  readonly ready: Promise<unknown>;
  /** Resolves with its submissions per second since then. */
  end(): Promise<number>;
}

/** One client that submits as fast as it is answered, in a process of its own. */
function startSubmitter({ url }: Server): Submitter {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'submit', url], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk;
  });
  const ended = once(child, 'close');
  return {
    ready: Promise.race([once(child.stdout, 'data'), ended]),
    async end() {
      child.stdin.end();
      await ended;
      return Number(said.trim().split('\n').at(-1));
    },
  };
}

/** Until its standard input ends, also because whoever started it has. */
async function submitFlatOut(url: string): Promise<void> {
  const stop = new AbortController();
  process.stdin.resume().once('end', () => stop.abort());
  const client = new Client(url);
  for (let count = 0; count < WARM_UP; count++) await submitOne(client);
  console.log('ready');
  const began = performance.now();
  let count = 0;
  for (; !stop.signal.aborted; count++) await submitOne(client);
  console.log(count / ((performance.now() - began) / 1000));
  await client.close();
}
