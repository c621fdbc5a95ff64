import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { catchInterruption, Interrupted } from '@onetake/gateway';
import { optionsOf } from '../chaos/shared/optionsOf.ts';
import { startChild } from '../chaos/shared/rpc.ts';
import { createDatabase, startPostgres } from '../scripts/servers/postgres.ts';
import { endsOn, openWaits } from './delivery/listeners.ts';
import { distributionOf } from './shared/distribution.ts';
import { type Figure, report } from './shared/figures.ts';
import { createHttpClient, submit, waitForEnd } from './tracking/clients.ts';
import { FAMILIES } from './tracking/families.ts';
import { type Gateway, startGateway } from './tracking/gateway.ts';
import type { UpstreamCalls } from './tracking/upstreams.ts';

/**
 * How long after the end of a task a client knows of it, by the way in which it learns: a poll every five seconds, a held query, the stream of
 * events, a webhook. Two gateways share a database; one makes the videos, and clients listen at either. Beside them `--waits` held queries of
 * other tasks are open at the second gateway, whose memory for each is measured, too.
 *
 *   npm run bench:delivery -- [--tasks 100] [--waits 10000] [--rounds 1] [--against ../another-checkout]
 *
 * With `--against`, gateways of another checkout are measured in turns with those of this one.
 * The time counts from the timestamp of the event, when the gateway decides it, so that writing it into the database is part of it.
 */
const options = optionsOf(
  {
    tasks: { type: 'string', default: '100' },
    waits: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '1' },
    against: { type: 'string' },
  },
  'npm run bench:delivery -- [--tasks 100] [--waits 10000] [--rounds 1] [--against checkout]',
  { numbers: ['tasks', 'waits', 'rounds'] },
);
const CHECKOUTS = [
  ...(options.against === undefined ? [] : [resolve(options.against)]),
  fileURLToPath(new URL('..', import.meta.url)),
];
const POLL_MS = 5000;
/** From the submission of one task to that of the next. Milliseconds. */
const SPACING_MS = 200;
/** How many times as fast as in reality jobs are made. */
const SPEED = 40;
/** Tasks that held queries are open for. Their account has a single place, so they wait for it. */
const WAITING_TASKS = 50;

const [sora] = FAMILIES.filter(({ name }) => name === 'sora');
if (!sora) throw new Error('there is no family "sora"');
const waiting = { ...sora, model: 'sora-2-pro' };

const { signal } = catchInterruption();
try {
  for (let round = 0; round < Number(options.rounds); round++)
    for (const checkout of CHECKOUTS) {
      await using opened = new AsyncDisposableStack();
      await measure(checkout, opened);
    }
} catch (error) {
  if (!(signal.reason instanceof Interrupted)) throw error;
  process.exitCode = signal.reason.exitCode;
}

async function measure(checkout: string, opened: AsyncDisposableStack): Promise<void> {
  const began = performance.now();
  // A bench that does not get on shows where it is.
  const progress = (reached: string) =>
    console.log(`${((performance.now() - began) / 1000).toFixed(1)} s: ${reached}`);
  const [first, second] = await startGateways(checkout, opened);
  progress('the gateways serve');
  const webhooks = await receiveWebhooks(first, opened);
  const streams = [first, second].map((gateway) => endsOn(gateway, signal));
  await Promise.all(streams.map(({ listening }) => listening));

  const client = opened.use(clientOf(first));
  for (let n = 0; n < WAITING_TASKS; n++)
    await submit(client, waiting, `a waiting boat, number ${n}`, signal);
  const waits = await holdQueries(second, opened);

  progress(`${waits.open} queries are held`);
  const known = await followAll([first, second], opened);
  progress('all ends are known');
  const [endsThere, endsElsewhere] = streams.map(({ ends }) => ends);
  if (!endsThere || !endsElsewhere) throw new Error('there are no streams');
  const ids = [...known.keys()];
  const after = (at: (id: string) => number | undefined) =>
    ids.flatMap((id) => {
      const [end, knownAt] = [endsThere.get(id), at(id)];
      return end && knownAt !== undefined ? [knownAt - end.at] : [];
    });
  console.log(
    `\n${checkout}: ${ids.length} tasks, ${waits.open} held queries open at the second gateway: ${waits.said}\n`,
  );
  const figures: Figure[] = [];
  const add = (name: string, rounds: readonly number[]) => figures.push(...percentiles(name, rounds));
  add(
    'poll every 5 s',
    after((id) => known.get(id)?.polled),
  );
  add(
    'held query',
    after((id) => known.get(id)?.held[0]),
  );
  add(
    'held query, other node',
    after((id) => known.get(id)?.held[1]),
  );
  add(
    'stream of events',
    after((id) => endsThere.get(id)?.knownAt),
  );
  add(
    'stream of events, other node',
    after((id) => endsElsewhere.get(id)?.knownAt),
  );
  add(
    'webhook',
    after((id) => webhooks.get(id)),
  );
  // What a busy machine does to both is not in it.
  add(
    'webhook, after the stream',
    ids.flatMap((id) => {
      const [end, knownAt] = [endsThere.get(id), webhooks.get(id)];
      return end && knownAt !== undefined ? [knownAt - end.knownAt] : [];
    }),
  );
  report(figures);
}

/** Milliseconds after the end of the tasks. A poller's are as long as its interval. */
function percentiles(name: string, rounds: readonly number[]): readonly Figure[] {
  const of = distributionOf(rounds);
  const aim = name.startsWith('poll') ? {} : { aim: { atMost: 50 } };
  return [
    { name, unit: 'ms', rounds },
    { name: `${name}: 99th percentile`, unit: 'ms', rounds: of ? [of.p99] : [], ...aim },
  ];
}

/** Two nodes on one database, with the simulators of a fast upstream. */
async function startGateways(checkout: string, opened: AsyncDisposableStack): Promise<[Gateway, Gateway]> {
  const dir = await mkdtemp(join(tmpdir(), 'onetake-bench-'));
  opened.defer(() => rm(dir, { recursive: true, force: true }));
  const postgres = await startPostgres({ durable: true });
  opened.defer(() => postgres.close());
  const upstreams = startChild<UpstreamCalls>(new URL('./tracking/upstreams.ts', import.meta.url));
  opened.defer(() => upstreams.close());
  const { environment } = await upstreams.call('start', {
    seed: 'delivery',
    scale: 1 / SPEED,
    keptScale: 1,
    encodeAhead: true,
    only: ['openai'],
    ...sora?.simulator(1000),
  });
  const account = (limits: object) => ({ ...sora?.account(environment, false), limits });
  const start = (name: string, database: string): Promise<Gateway> =>
    startGateway({
      checkout,
      dir: join(dir, name),
      settings: {
        accounts: {
          fast: {
            ...account({ in_flight: 1000, submits_per_minute: 60_000, polls_per_second: 100 }),
            models: ['sora-2'],
          },
          single: { ...account({ in_flight: 1, submits_per_minute: 1 }), models: ['sora-2-pro'] },
        },
        models: { 'sora-2': { typical: { medianSeconds: 140 / SPEED, p90Seconds: 300 / SPEED } } },
      },
      environment: {
        ...environment,
        ONETAKE_PREVIEW_CONCURRENCY: '0',
        ONETAKE_DATABASE_URL: database,
        ONETAKE_ALLOW_PRIVATE_HOSTS: '127.0.0.1',
      },
    });
  const database = await createDatabase(postgres.url);
  const first = opened.use(await start('first', database));
  return [first, opened.use(await start('second', database))];
}

/** Receives the webhooks of an endpoint. The map has when each task's end arrived. */
async function receiveWebhooks(
  gateway: Gateway,
  opened: AsyncDisposableStack,
): Promise<ReadonlyMap<string, number>> {
  const arrived = new Map<string, number>();
  const server = createServer(async (request, response) => {
    const at = Date.now();
    const { data } = JSON.parse((await request.setEncoding('utf8').toArray()).join(''));
    if (!arrived.has(data.task_id)) arrived.set(data.task_id, at);
    response.writeHead(204).end();
  }).listen(0, '127.0.0.1');
  opened.defer(() => void server.close());
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const body = { url, events: ['video.succeeded', 'video.failed'] };
  const { status } = await clientOf(gateway).post('/v1/webhook_endpoints', body, signal);
  if (status !== 201) throw new Error(`the endpoint was refused with ${status}`);
  return arrived;
}

/** Opens the held queries at a gateway, and measures what they take of its memory. */
async function holdQueries(
  gateway: Gateway,
  opened: AsyncDisposableStack,
): Promise<{ open: number; said: string }> {
  const count = Number(options.waits);
  const { body } = await clientOf(gateway).get('/v1/video/generations?status=queued&limit=100', signal);
  const ids: string[] = body.data.map(({ task_id: id }: { task_id: string }) => id);
  const before = await memoryOf(gateway);
  const waits = opened.use(await openWaits(gateway, ids, count));
  const after = await memoryOf(gateway);
  const each = (kind: 'rss' | 'heap') => ((after[kind] - before[kind]) / waits.open / 1000).toFixed(1);
  const said =
    count === 0 ? '' : `${each('rss')} kB each of its process (RSS), ${each('heap')} kB of its heap`;
  return { open: waits.open, said };
}

/** Bytes, after a collection. */
async function memoryOf(gateway: Gateway): Promise<{ rss: number; heap: number }> {
  const { heapBytes: heap } = await gateway.usage({ collect: true });
  const status = await readFile(`/proc/${gateway.pid}/status`, 'utf8');
  return { heap, rss: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024 };
}

/** When the clients of a task knew its end, but for those that are told of all tasks. Milliseconds UTC. */
interface Known {
  readonly polled: number;
  /** By a held query at each gateway. */
  readonly held: readonly number[];
}

async function followAll(
  gateways: readonly [Gateway, Gateway],
  opened: AsyncDisposableStack,
): Promise<ReadonlyMap<string, Known>> {
  const [client, other] = gateways.map((gateway) => opened.use(clientOf(gateway)));
  if (!client || !other || !sora) throw new Error('there are no gateways');
  const count = Number(options.tasks);
  const follow = async (n: number): Promise<[string, Known]> => {
    await sleep(n * SPACING_MS, undefined, { signal });
    const id = await submit(client, sora, `a paper boat, number ${n}`, signal);
    const held = [client, other].map(async (one) => (await waitForEnd(one, id, signal)).knownAt);
    return [id, { polled: await pollEnd(client, id), held: await Promise.all(held) }];
  };
  const known = new Map(await Promise.all(Array.from({ length: count }, (_, n) => follow(n))));
  // The last webhooks are still on their way.
  await sleep(POLL_MS, undefined, { signal });
  return known;
}

async function pollEnd(client: ReturnType<typeof clientOf>, id: string): Promise<number> {
  for (;;) {
    await sleep(POLL_MS, undefined, { signal });
    const { body } = await client.get(`/v1/video/generations/${id}`, signal);
    if (body.status === 'succeeded' || body.status === 'failed') return Date.now();
  }
}

function clientOf({ url, apiKey }: Gateway) {
  return createHttpClient(url, { authorization: `Bearer ${apiKey}` });
}
