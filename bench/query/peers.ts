import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { catchInterruption, Interrupted } from '@onetake/gateway';
import { optionsOf } from '../../chaos/shared/optionsOf.ts';
import { type Figure, report } from '../shared/figures.ts';
import { treeMemory } from '../shared/memory.ts';
import { PEERS } from './otherServers.ts';
import {
  AUTHORIZED,
  answerOf,
  cpuPerRequest,
  type Server,
  startBare,
  startClient,
  startGateway,
  tempFolder,
} from './servers.ts';
import { finishedTask, pathOf } from './tasks.ts';

/**
 * A status query beside GET requests of other servers: CPU time of all their processes, and memory. They are installed into a temporary
 * folder, and are no dependencies of this repository. They do not do the same; what each does is printed.
 *
 *   npm run bench:peers -- [--peers bun,nginx,portkey,litellm] [--rounds 5] [--requests 3000]
 */
const options = optionsOf(
  {
    peers: { type: 'string', default: Object.keys(PEERS).join(',') },
    rounds: { type: 'string', default: '5' },
    requests: { type: 'string', default: '3000' },
  },
  `npm run bench:peers -- [--peers ${Object.keys(PEERS).join(',')}] [--rounds 5] [--requests 3000]`,
  { numbers: ['rounds', 'requests'], names: { peers: Object.keys(PEERS) } },
);

interface Contestant {
  readonly name: string;
  readonly answers: string;
  readonly server: Server;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly costs: number[];
}

const { within } = catchInterruption();
try {
  await within(main());
} catch (error) {
  if (!(error instanceof Interrupted)) throw error;
  process.exitCode = error.exitCode;
}

async function main(): Promise<void> {
  await using opened = new AsyncDisposableStack();
  const folder = await tempFolder(opened);
  const gateway = await startGateway(join(folder, 'onetake'), opened);
  const path = pathOf(await finishedTask(gateway));
  const answer = await answerOf(gateway, path);
  const bare = await startBare(answer, opened);
  const ours = { path, headers: AUTHORIZED };
  const contestants: Contestant[] = [
    { name: 'onetake', answers: 'a status query', server: gateway, ...ours, costs: [] },
    {
      name: 'bare node:http',
      answers: 'the same bytes after the same header check',
      server: bare,
      ...ours,
      costs: [],
    },
  ];
  for (const id of options.peers.split(',')) {
    const peer = PEERS[id];
    if (!peer) continue;
    try {
      const own = join(folder, id);
      await mkdir(own);
      await peer.install(own);
      contestants.push({ ...peer, server: await peer.start(own, answer, opened), costs: [] });
    } catch (error) {
      console.error(`not measured: ${peer.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  await measure(contestants, opened);
  for (const { name, answers } of contestants) console.log(`${name}: ${answers}`);
  const memory = await Promise.all(contestants.map(({ server }) => treeMemory(server.pid)));
  report(
    contestants.flatMap(({ name, costs }, index): Figure[] => [
      { name: `${name}: CPU of a GET`, unit: 'µs', rounds: costs },
      { name: `${name}: memory`, unit: 'MB', rounds: [memory[index]?.proportional ?? Number.NaN] },
    ]),
  );
}

/** In turns, so that the noise of the machine affects all. The first round is for warming up. */
async function measure(contestants: readonly Contestant[], opened: AsyncDisposableStack): Promise<void> {
  const send = startClient(opened);
  const how = { requests: Number(options.requests), connections: 32, pipelining: 1, status: 200 };
  for (let round = 0; round <= Number(options.rounds); round++)
    for (const { server, path, headers, costs } of contestants) {
      const cost = await cpuPerRequest(send, server.pid, {
        port: server.port,
        paths: [path],
        headers,
        ...how,
      });
      if (round > 0) costs.push(cost);
    }
}
