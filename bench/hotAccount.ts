import { type Event, move, newId, openPostgresStore, type Store, type Task } from '@onetake/gateway';
import { Client } from 'pg';
import { acceptOne } from './cluster/populate.ts';
import { measureInTurns } from './cluster/processes.ts';
import { watchServer } from './cluster/serverCpu.ts';

/**
 * Transitions a second of three nodes whose tasks all use one account, so that all their batches change one counter. A third of the
 * time, a transaction keeps a snapshot open as `pg_dump` does: the server cannot remove old versions of the counter then.
 *
 *   npm run bench:account -- [--tasks 20000] [--rounds 3] [--against <another checkout>]
 */
const NODES = 3;
/** Tasks that each node drives at a time. */
const DRIVERS = 100;
const PLACES = 1000;
const DONE: readonly Event[] = [
  { type: 'submit_intended', accountId: 'hot', idempotencyKey: '', upstreamModel: 'bench' },
  { type: 'submit_confirmed', upstreamId: '', working: true },
  { type: 'upstream_succeeded', result: { ref: 'there' } },
  {
    type: 'stored',
    result: {
      videoId: 'video',
      bytes: 1,
      sha256: 'digest',
      duration: 4,
      width: 1280,
      height: 720,
      videoCodec: 'h264',
      expiresAt: 1,
    },
  },
];

await measureInTurns(
  import.meta.filename,
  { bench: 'account', tasks: '20000' },
  async (databaseUrl, count) => {
    await using opened = new AsyncDisposableStack();
    const server = opened.use(await watchServer(databaseUrl));
    const nodes: Store[] = [];
    for (let number = 1; number <= NODES; number++) {
      const cluster = { node: `node-${number}` };
      const store = await openPostgresStore({
        url: databaseUrl,
        cluster,
        poolSize: 10,
        namedStatements: true,
      });
      opened.defer(() => store.close());
      nodes.push(store);
    }
    const alone = await run(nodes, server, count);
    const dump = new Client(databaseUrl);
    await dump.connect();
    opened.defer(() => dump.end());
    await dump.query('begin isolation level repeatable read');
    await dump.query('select count(*) from tasks');
    const beside = await run(nodes, server, count);
    return {
      'transitions, /s': alone.perSecond,
      'PostgreSQL per transition, µs': alone.serverUs,
      'transitions beside a snapshot, /s': beside.perSecond,
      '  in the first tenth': beside.first,
      '  in the last tenth': beside.last,
      'PostgreSQL per transition, µs (snapshot)': beside.serverUs,
    };
  },
);

/** Takes `count` tasks through their lives. */
async function run(nodes: readonly Store[], server: Awaited<ReturnType<typeof watchServer>>, count: number) {
  const [first = raise()] = nodes;
  const waiting: Task[] = [];
  for (let done = 0; done < count; done += 2000) {
    const some = Array.from({ length: Math.min(2000, count - done) }, (_, index) => done + index);
    waiting.push(...(await Promise.all(some.map((number) => acceptOne(first, number)))));
  }
  const total = count * DONE.length;
  const times: number[] = [];
  const before = await server.cpu();
  const began = performance.now();
  await Promise.all(
    nodes.flatMap((node) =>
      Array.from({ length: DRIVERS }, async () => {
        for (let task = waiting.pop(); task; task = waiting.pop()) {
          for (const event of DONE) {
            task = await drive(node, task, event);
            times.push(performance.now() - began);
          }
        }
      }),
    ),
  );
  const tenth = Math.floor(total / 10);
  const perSecond = (from: number, to: number) =>
    ((to - from) / ((times[to - 1] ?? 0) - (times[from] ?? 0))) * 1000;
  return {
    perSecond: perSecond(0, total),
    first: perSecond(0, tenth),
    last: perSecond(total - tenth, total),
    serverUs: ((await server.cpu()) - before) / total,
  };
}

async function drive(store: Store, task: Task, event: Event): Promise<Task> {
  const unique =
    event.type === 'submit_intended'
      ? { ...event, idempotencyKey: newId() }
      : event.type === 'submit_confirmed'
        ? { ...event, upstreamId: newId() }
        : event;
  const next = move(task, unique, Date.now()) ?? raise();
  const written =
    event.type === 'submit_intended'
      ? (await store.intend(next, PLACES)) === 'written'
      : await store.commit(next);
  return written ? next.task : raise();
}

function raise(): never {
  throw new Error('a transition was refused');
}
