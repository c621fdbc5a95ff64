import { setTimeout as sleep } from 'node:timers/promises';
import { createLog, type EngineParts, joinCluster } from '@onetake/gateway';
import { stream } from '../chaos/shared/random.ts';
import { watchEventLoop } from './cluster/eventLoop.ts';
import { openNode } from './cluster/node.ts';
import { populate } from './cluster/populate.ts';
import { measureInTurns } from './cluster/processes.ts';
import { newDuration } from './cluster/steadyState.ts';
import { createUpstream } from './cluster/upstream.ts';

/**
 * A running node adopts all tasks of one that dies: how long this takes, and for how long it blocks the event loop.
 *
 *   npm run bench:adoption -- [--tasks 10000] [--rounds 3] [--against <another checkout>]
 */
const LOOK_MS = 20;

await measureInTurns(import.meta.filename, { bench: 'adoption', tasks: '10000' }, measureAdoption, {
  'longest delay of the event loop, ms': { atMost: 20 },
});

async function measureAdoption(databaseUrl: string, count: number): Promise<Record<string, number>> {
  const random = stream(`adoption ${count}`);
  const upstream = createUpstream(() => newDuration(random));
  let adopted = 0;
  const log: EngineParts['log'] = {
    ...createLog('silent'),
    info: (fields) => {
      if (fields.event === 'ownership.adopted') adopted += Number(fields.tasks);
    },
  };
  await using opened = new AsyncDisposableStack();
  let dies = async (): Promise<void> => undefined;
  const node = opened.use(
    await openNode({
      databaseUrl,
      upstream,
      log,
      async prepare(store) {
        // Its lease is all that the others see of a node.
        const other = await joinCluster({ url: databaseUrl, log: createLog('warn') });
        dies = () => other.close();
        await populate(store, upstream, count, random, { owner: other.node, mixed: true });
      },
    }),
  );
  await node.engine.start();

  upstream.counts();
  let asked = 0;
  const stop = watchEventLoop();
  const cpu = process.cpuUsage();
  const began = performance.now();
  await dies();
  while (adopted < count) await sleep(LOOK_MS);
  const adoptedMs = performance.now() - began;
  // Most of the tasks are running, and each of those is polled when it is adopted.
  while (asked < 0.8 * count) {
    await sleep(LOOK_MS);
    asked += upstream.counts().asked;
  }
  const polledMs = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  const stalls = stop();
  node.checkLease();
  return {
    'time until all are adopted, ms': adoptedMs,
    'time until the running ones are polled, ms': polledMs,
    'CPU until then, ms': (user + system) / 1000,
    'longest CPU time between two timers, ms': stalls.cpu,
    'longest pause of a garbage collection, ms': stalls.gc,
    'longest time between two timers, ms': stalls.longest.ms,
    'CPU time within it, ms': stalls.longest.cpu,
    'waiting for a core within it, ms': stalls.longest.waited,
    'longest delay of the event loop, ms': stalls.max,
    '99th percentile of that delay, ms': stalls.p99,
  };
}
