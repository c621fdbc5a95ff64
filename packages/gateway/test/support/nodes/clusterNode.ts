import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { pino } from 'pino';
import { joinCluster } from '../../../src/cluster/postgres/cluster.ts';

// A node in a process of its own: `node clusterNode.ts <url> <timings>`. It says what happens to it, one JSON line each.
const [url = '', timings = '{}'] = process.argv.slice(2);

// Written by the kernel before this returns: nothing is lost where the process is killed or frozen.
const say = (line: object): void => {
  writeSync(1, `${JSON.stringify(line)}\n`);
};

/** Turns in a circle, in which the process handles no event, and says what is held after it was frozen in it. */
function spin(): void {
  // Before it is said, since it may be frozen as soon as it is heard.
  let before = performance.now();
  spinsSince = before;
  say({ spinning: cluster.node });
  for (;;) {
    const now = performance.now();
    // Far longer than the system takes a processor away for, and shorter than any test freezes a process.
    if (now - before > 300) break;
    before = now;
  }
  say({ held: cluster.hasLease(), node: cluster.node });
}

/** Stands still until the process spins, so that a busy machine ends no lease before. */
let spinsSince: number | undefined;
const cluster = await joinCluster({
  url,
  log: pino({ level: 'silent' }),
  timings: JSON.parse(timings),
  now: () => (spinsSince === undefined ? 0 : performance.now() - spinsSince),
});
cluster.onLease((event) => say({ event, node: cluster.node }));
cluster.onMessage((message) => {
  // Tells messages of one kind back as another, for those who measure the way there and back.
  if (message.kind === 'hint') cluster.broadcast({ kind: 'shares', account: message.upstreamId });
});
say({ joined: cluster.node, held: cluster.hasLease() });

for await (const command of createInterface(process.stdin)) {
  if (command === 'spin') spin();
  if (command === 'close') break;
}
await cluster.close();
