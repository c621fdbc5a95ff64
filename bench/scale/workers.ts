import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { catchInterruption, Interrupted } from '@onetake/gateway';
import { Client } from 'undici';
import { optionsOf } from '../../chaos/shared/optionsOf.ts';
import { createDatabase, startPostgres } from '../../scripts/servers/postgres.ts';
import { startS3 } from '../../scripts/servers/s3.ts';
import { watchServer } from '../cluster/serverCpu.ts';
import { cpuTimeOf } from '../shared/cpu.ts';
import { type Figure, report } from '../shared/figures.ts';
import {
  KEY,
  type Server,
  SUBMIT_PATH,
  startGateway,
  startUpstream,
  submission,
} from '../submits/servers.ts';

/**
 * Gateways of one, two … workers on PostgreSQL: status queries and submissions over kept connections, in turns. The client and PostgreSQL
 * are on this machine and take CPU time as well, so with as many workers as cores the rates say little: read the CPU time of a request, and
 * what a second of it serves.
 *
 *   npm run bench:workers -- [--workers 1,2] [--submits 1000] [--rounds 3]
 */
const CONNECTIONS = 32;
const QUERY_MS = 2000;
const HEADERS = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
const MB = 1e6;

const options = optionsOf(
  {
    workers: { type: 'string', default: '1,2' },
    submits: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '3' },
  },
  'npm run bench:workers -- [--workers 1,2] [--submits 1000] [--rounds 3]',
  { numbers: ['workers', 'submits', 'rounds'] },
);
const { signal } = catchInterruption();
/** The number of the last submission of this process. */
let submitted = 0;

try {
  await using opened = new AsyncDisposableStack();
  const subjects = await openSubjects(options.workers.split(',').map(Number), opened);
  const figures = new Map<string, { unit: string; rounds: number[] }>();
  const add = (name: string, unit: string, value: number) => {
    const figure = figures.get(name) ?? { unit, rounds: [] };
    figure.rounds.push(value);
    figures.set(name, figure);
  };
  for (const { name, server } of subjects)
    add(`${name}: memory, idle`, 'MB', (await memoryOf(await processesOf(server))) / MB);
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const subject of subjects) {
      signal.throwIfAborted();
      addCosts(add, `${subject.name}: status query`, await measure(subject, queries));
      addCosts(add, `${subject.name}: submission`, await measure(subject, submissions));
    }
  }
  report([...figures].map(([name, { unit, rounds }]): Figure => ({ name, unit, rounds })));
} catch (error) {
  if (!(signal.reason instanceof Interrupted)) throw error;
  process.exitCode = signal.reason.exitCode;
}

interface Subject {
  readonly name: string;
  readonly server: Server;
  readonly databaseUrl: string;
}

/** A gateway for each number of workers, with a database and a place in the bucket of its own. */
async function openSubjects(
  counts: readonly number[],
  opened: AsyncDisposableStack,
): Promise<readonly Subject[]> {
  const dir = await mkdtemp(join(tmpdir(), 'onetake-bench-'));
  opened.defer(() => rm(dir, { recursive: true, force: true }));
  const postgres = await startPostgres({ durable: true });
  opened.defer(() => postgres.close());
  const s3 = await startS3();
  opened.defer(() => s3.close());
  const upstream = await startUpstream(opened);
  const subjects: Subject[] = [];
  for (const count of counts) {
    const databaseUrl = await createDatabase(postgres.url);
    const server = opened.use(
      await startGateway(
        fileURLToPath(new URL('../..', import.meta.url)),
        join(dir, String(count)),
        upstream,
        {
          ONETAKE_WORKERS: String(count),
          ONETAKE_DATABASE_URL: databaseUrl,
          ONETAKE_S3_ENDPOINT: s3.endpoint,
          ONETAKE_S3_BUCKET: s3.bucket,
          ONETAKE_S3_PREFIX: `workers-${count}`,
          ONETAKE_S3_PATH_STYLE: 'true',
          ONETAKE_S3_ACCESS_KEY_ID: s3.accessKeyId,
          ONETAKE_S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
        },
      ),
    );
    await allServe(server, count);
    subjects.push({ name: `${count} worker${count === 1 ? '' : 's'}`, server, databaseUrl });
  }
  return subjects;
}

/** The gateway tells its address as soon as the first worker serves. */
async function allServe({ url }: Server, count: number): Promise<void> {
  while (count > 1) {
    const metrics = await (await fetch(`${url}/metrics`, { signal })).text();
    if ((metrics.match(/^onetake_worker_up\{.*\} 1$/gm) ?? []).length === count) return;
  }
}

/** The gateway, its workers, and their children. */
async function processesOf({ pid }: Pick<Server, 'pid'>): Promise<readonly number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  const below = children.trim().split(' ').filter(Boolean).map(Number);
  return [pid, ...(await Promise.all(below.map((child) => processesOf({ pid: child })))).flat()];
}

/** Pages that processes share count once. */
async function memoryOf(pids: readonly number[]): Promise<number> {
  const sizes = await Promise.all(
    pids.map(async (pid) => {
      const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
      return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1]) * 1024;
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

interface Costs {
  readonly perSecond: number;
  /** Microseconds of CPU time a request. */
  readonly gateway: number;
  readonly database: number;
  /** Of this process, which sends the load. */
  readonly client: number;
}

async function measure(
  { server, databaseUrl }: Subject,
  load: (url: string) => Promise<number>,
): Promise<Costs> {
  await using database = await watchServer(databaseUrl);
  const pids = await processesOf(server);
  const cpu = async () => (await Promise.all(pids.map(cpuTimeOf))).reduce((sum, { all }) => sum + all, 0);
  const own = process.cpuUsage();
  const before = { gateway: await cpu(), database: await database.cpu(), at: performance.now() };
  const requests = await load(server.url);
  const seconds = (performance.now() - before.at) / 1000;
  const { user, system } = process.cpuUsage(own);
  return {
    perSecond: requests / seconds,
    client: (user + system) / requests,
    gateway: ((await cpu()) - before.gateway) / requests,
    database: ((await database.cpu()) - before.database) / requests,
  };
}

function addCosts(
  add: (name: string, unit: string, value: number) => void,
  name: string,
  { perSecond, gateway, database, client }: Costs,
): void {
  add(`${name}, on this machine`, '/s', perSecond);
  add(`${name}, CPU of the gateway`, 'µs', gateway);
  add(`${name}, CPU of PostgreSQL`, 'µs', database);
  add(`${name}, CPU of the client`, 'µs', client);
  add(`${name}, in a second of the gateway's CPU`, '', 1e6 / gateway);
  add(`${name}, cores that all of them took`, 'cores', ((gateway + database + client) * perSecond) / 1e6);
}

/** Runs on each of the connections until it returns false. Resolves with the number of requests. */
async function onConnections(url: string, one: (client: Client) => Promise<boolean>): Promise<number> {
  let requests = 0;
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const client = new Client(url);
      while (!signal.aborted && (await one(client))) requests += 1;
      await client.close();
    }),
  );
  return requests;
}

async function ask(client: Client, method: 'GET' | 'POST', path: string, body?: string): Promise<string> {
  const answer = await client.request({
    method,
    path,
    headers: HEADERS,
    ...(body !== undefined && { body }),
  });
  const said = await answer.body.text();
  if (answer.statusCode !== 200) throw new Error(`${path} answered ${answer.statusCode}: ${said}`);
  return said;
}

async function queries(url: string): Promise<number> {
  const first = new Client(url);
  submitted += 1;
  const { task_id } = JSON.parse(await ask(first, 'POST', SUBMIT_PATH, submission(submitted)));
  await first.close();
  const until = performance.now() + QUERY_MS;
  return onConnections(url, async (client) => {
    if (performance.now() > until) return false;
    await ask(client, 'GET', `${SUBMIT_PATH}/${task_id}`);
    return true;
  });
}

async function submissions(url: string): Promise<number> {
  const last = submitted + Number(options.submits);
  return onConnections(url, async (client) => {
    if (submitted >= last) return false;
    submitted += 1;
    await ask(client, 'POST', SUBMIT_PATH, submission(submitted));
    return true;
  });
}
