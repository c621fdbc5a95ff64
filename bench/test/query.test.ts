import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { type Comparison, type Contest, compare } from '../query/compare.ts';
import { answerOf, startBare, startClient, startGateway, tempFolder } from '../query/servers.ts';
import { cancelledTask, pathOf } from '../query/tasks.ts';
import { spreadOf } from '../shared/figures.ts';

/**
 * The most CPU time of a query against a bare `node:http` server that sends the same bytes: it takes about as much (`npm run bench:query`),
 * 1.25 of it in a noisy round, and twice as much once something on the way costs as much as all of Node's HTTP.
 */
const LIMIT = 1.5;

const medianOf = (rounds: readonly number[]) => spreadOf({ name: '', unit: '', rounds }).median;

/** At SIGUSR2 a server begins to use as many more microseconds of CPU time for each request as a file says. */
const burning = (file: string) =>
  `--import=data:text/javascript,${encodeURIComponent(`
    import { hash } from 'node:crypto';
    import { readFileSync } from 'node:fs';
    import { Server } from 'node:http';
    const { emit } = Server.prototype;
    const work = (times) => { for (let time = 0; time < times; time++) hash('sha256', 'a status query', 'hex'); };
    let times = 0;
    process.on('SIGUSR2', () => {
      // The quickest of many: nothing else ran meanwhile.
      let us = Infinity;
      for (let tries = 0; tries < 200; tries++) {
        const began = performance.now();
        work(100);
        us = Math.min(us, (performance.now() - began) * 10);
      }
      times = Math.ceil(Number(readFileSync(${JSON.stringify(file)}, 'utf8')) / us);
    });
    Server.prototype.emit = function (event, ...rest) {
      if (event === 'request') work(times);
      return emit.call(this, event, ...rest);
    };
  `)}`;

const both = async (contest: Contest): Promise<readonly Comparison[]> => [
  await compare(contest, { status: 200, connections: 32 }),
  await compare(contest, { status: 304, connections: 32 }),
];

// CPU times of one run, compared with each other, so that neither the machine nor what else it does matters.
it.runIf(process.platform === 'linux')(
  'a status query takes about the CPU time of bare node:http, and twice as much is noticed',
  { timeout: 300_000 },
  async () => {
    const opened = new AsyncDisposableStack();
    onTestFinished(() => opened.disposeAsync());
    const folder = await tempFolder(opened);
    const file = join(folder, 'more');
    const gateway = await startGateway(folder, opened, { flags: [burning(file)] });
    const path = pathOf(await cancelledTask(gateway));
    const answer = await answerOf(gateway, path);
    const bare = await startBare(answer, opened);
    const send = startClient(opened);
    const etag = answer.headers.etag ?? '';
    const contest = { send, gateway, bare, path, etag, rounds: 9, requests: 1000 };

    const asItIs = await both(contest);
    for (const { ratios } of asItIs) expect(medianOf(ratios)).toBeLessThan(LIMIT);

    const cost = Math.min(...asItIs.map(({ gateway }) => medianOf(gateway)));
    await writeFile(file, String(cost));
    process.kill(gateway.pid, 'SIGUSR2');
    const doubled = await both(contest);
    for (const { ratios } of doubled) expect(medianOf(ratios)).toBeGreaterThan(LIMIT);
  },
);
