import { catchInterruption, Interrupted } from '@onetake/gateway';
import { optionsOf } from '../chaos/shared/optionsOf.ts';
import { type Contest, compare } from './query/compare.ts';
import {
  AUTHORIZED,
  answerOf,
  cpuPerRequest,
  startBare,
  startClient,
  startGateway,
  tempFolder,
} from './query/servers.ts';
import { copyTask, finishedTask, pathOf } from './query/tasks.ts';
import { type Figure, report } from './shared/figures.ts';

/**
 * The CPU time of status queries over loopback: the gateway beside a bare `node:http` server that answers with the same bytes after the
 * same header check, in turns; and queries of so many tasks that the cache of answers cannot hold them all. Read the ratios.
 *
 *   npm run bench:query -- [--rounds 7] [--requests 8000] [--tasks 10000,100000] [--against ../another-checkout]
 */
const options = optionsOf(
  {
    rounds: { type: 'string', default: '7' },
    requests: { type: 'string', default: '8000' },
    tasks: { type: 'string', default: '10000,100000' },
    against: { type: 'string' },
  },
  'npm run bench:query -- [--rounds 7] [--requests 8000] [--tasks 10000,100000] [--against checkout]',
  { numbers: ['rounds', 'requests', 'tasks'] },
);
const [rounds, requests] = [Number(options.rounds), Number(options.requests)];

/** How many tasks are asked for in one round. */
const CHUNK = 10_000;
/** Against the bare server. */
const AIMS = { 200: 1.12, 304: 1.05 } as const;

const { within } = catchInterruption();
try {
  await within(main());
} catch (error) {
  if (!(error instanceof Interrupted)) throw error;
  process.exitCode = error.exitCode;
}

async function main(): Promise<void> {
  const figures: Figure[] = [];
  for (const checkout of options.against === undefined ? [undefined] : [options.against, undefined]) {
    await using servers = new AsyncDisposableStack();
    const where = checkout === undefined ? '' : ` (${checkout})`;
    figures.push(...(await figuresOf(checkout, where, servers)));
  }
  report(figures);
}

async function figuresOf(
  checkout: string | undefined,
  where: string,
  servers: AsyncDisposableStack,
): Promise<Figure[]> {
  const send = startClient(servers);
  const dataDir = await tempFolder(servers);
  const gateway = await startGateway(dataDir, servers, checkout === undefined ? {} : { checkout });
  const id = await finishedTask(gateway);
  const answer = await answerOf(gateway, pathOf(id));
  const bare = await startBare(answer, servers);
  console.log(`measuring ${rounds} rounds of each beside bare node:http${where}`);
  const contest = {
    send,
    gateway,
    bare,
    path: pathOf(id),
    etag: answer.headers.etag ?? '',
    rounds,
    requests,
  };
  return [...(await besideBare(contest, where)), ...(await ofManyTasks(contest, dataDir, id, where))];
}

async function besideBare(contest: Contest, where: string): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const status of [200, 304] as const)
    for (const connections of [16, 32, 64]) {
      const { gateway, bare, ratios } = await compare(contest, { status, connections });
      const name = `status query, ${status}, ${connections} connections`;
      figures.push(
        {
          name: `${name}: CPU against bare node:http${where}`,
          unit: '×',
          rounds: ratios,
          aim: { atMost: AIMS[status] },
        },
        { name: `${name}: CPU${where}`, unit: 'µs', rounds: gateway },
        { name: `${name}: CPU of bare node:http${where}`, unit: 'µs', rounds: bare },
      );
    }
  const { ratios } = await compare(contest, { status: 200, connections: 16, pipelining: 8 });
  const name = `status query, 200, 16 connections with 8 queries each in progress: CPU against bare node:http${where}`;
  return [...figures, { name, unit: '×', rounds: ratios }];
}

/** Queries of one task after the other, round and round. */
async function ofManyTasks(
  { send, gateway, rounds }: Contest,
  dataDir: string,
  taskId: string,
  where: string,
): Promise<Figure[]> {
  const counts = options.tasks.split(',').map(Number);
  const paths = (await copyTask(dataDir, taskId, Math.max(...counts))).map(pathOf);
  const figures: Figure[] = [];
  for (const count of counts) {
    const costs: number[] = [];
    // The cache is filled before.
    const fill = Math.ceil(Math.min(count, 40_000) / CHUNK);
    for (let round = 0; round < fill + Math.min(rounds, 5); round++) {
      const first = (round * CHUNK) % count;
      const asked = paths.slice(first, Math.min(first + CHUNK, count));
      const load = {
        port: gateway.port,
        paths: asked,
        requests: asked.length,
        connections: 32,
        pipelining: 1,
      };
      const cost = await cpuPerRequest(send, gateway.pid, { ...load, status: 200, headers: AUTHORIZED });
      if (round >= fill) costs.push(cost);
    }
    figures.push({
      name: `status query, ${count.toLocaleString('en-US')} tasks in turn: CPU${where}`,
      unit: 'µs',
      rounds: costs,
    });
  }
  return figures;
}
