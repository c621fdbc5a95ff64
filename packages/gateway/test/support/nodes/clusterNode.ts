import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { pino } from 'pino';
import { joinCluster } from '../../../src/cluster/postgres/cluster.ts';

// A node in a process of its own: `node clusterNode.ts <url> <timings>`. It prints its events, one JSON line each.
const [url = '', timings = '{}'] = process.argv.slice(2);

// The kernel has the line before this returns, so nothing is lost if the process is killed or frozen.
const say = (line: object): void => {
  writeSync(1, `${JSON.stringify(line)}\n`);
};

/** Blocks the event loop, and prints whether the lease is held after the process was frozen in it. */
function spin(): void {
  // Before the line is printed, because the process may be frozen as soon as it is read.
  let before = performance.now();
  spinsSince = before;
  say({ spinning: cluster.node });
  for (;;) {
    const now = performance.now();
    // Far longer than the scheduler takes a processor away, and shorter than any test freezes a process.
    if (now - before > 300) break;
    before = now;
  }
  say({ held: cluster.hasLease(), node: cluster.node });
}

/** Stands still until the process spins, so that a busy machine ends no lease earlier. */
let spinsSince: number | undefined;
const cluster = await joinCluster({
  url,
  log: pino({ level: 'silent' }),
  timings: JSON.parse(timings),
  now: () => (spinsSince === undefined ? 0 : performance.now() - spinsSince),
});
cluster.onLease((event) => say({ event, node: cluster.node }));
cluster.onMessage((message) => {
  // Sends messages of one kind back as another kind, to measure the round trip.
  if (message.kind === 'hint') cluster.broadcast({ kind: 'retry', account: message.upstreamId });
});
say({ joined: cluster.node, held: cluster.hasLease() });

for await (const command of createInterface(process.stdin)) {
  if (command === 'spin') spin();
  if (command === 'close') break;
}
await cluster.close();
