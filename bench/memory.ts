import { setTimeout as sleep } from 'node:timers/promises';
import { stream } from '../chaos/shared/random.ts';
import { heap, openNode } from './cluster/node.ts';
import { populate } from './cluster/populate.ts';
import { measureInTurns } from './cluster/processes.ts';
import { newDuration } from './cluster/steadyState.ts';
import { createUpstream } from './cluster/upstream.ts';

/**
 * The memory of one task that runs upstream: when it has just been adopted, and when it has been polled and waits for its next poll.
 * No job ends meanwhile.
 *
 *   npm run bench:memory -- [--tasks 100000] [--rounds 3] [--against <another checkout>]
 */
/** Longer than a call may take: by then nothing is left of the first polls. */
const SETTLE_MS = 65_000;
const LOOK_MS = 100;

await measureInTurns(
  import.meta.filename,
  { bench: 'memory', tasks: '100000' },
  async (databaseUrl, count) => {
    const random = stream(`memory ${count}`);
    const upstream = createUpstream(() => newDuration(random));
    await using node = await openNode({
      databaseUrl,
      upstream,
      prepare: (store) => populate(store, upstream, count, random),
    });
    upstream.endAll(Number.POSITIVE_INFINITY);
    const before = await heap();
    await node.engine.start();
    const adopted = (await heap()) - before;
    for (let asked = 0; asked < count; asked += upstream.counts().asked) await sleep(LOOK_MS);
    await sleep(SETTLE_MS);
    const waiting = (await heap()) - before;
    node.checkLease();
    if (node.engine.unfinished !== count) throw new Error(`${node.engine.unfinished} tasks are active`);
    return {
      'bytes per task, just adopted': adopted / count,
      'bytes per task, waiting for a poll': waiting / count,
    };
  },
);
