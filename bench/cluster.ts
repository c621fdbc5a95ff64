import { optionsOf } from '../chaos/shared/optionsOf.ts';
import { type Measured, measureLevel } from './cluster/level.ts';
import { withPostgres } from './cluster/processes.ts';

/**
 * One node with its PostgreSQL on this machine, and a growing number of tasks in flight at an upstream with batch polling.
 * The delay until a finished video is known must not depend on that number. The upstream is in the process and
 * videos have no bytes, so that only the engine and the store are measured.
 *
 *   npm run bench:cluster -- [--levels 100,1000,10000,100000]
 */
/** From this number of tasks their memory can be measured. */
const SEEN_FROM = 5000;

const [first, ...rest] = process.argv.slice(2);
if (first === 'measure') {
  const [url = '', count, setting = '{}'] = rest;
  console.log(JSON.stringify(await measureLevel(url, Number(count), JSON.parse(setting))));
  process.exit();
}
const { levels } = optionsOf(
  { levels: { type: 'string', default: '100,1000,10000,100000' } },
  'npm run bench:cluster -- [--levels 100,1000,10000,100000]',
  { numbers: ['levels'] },
);

await withPostgres(async (measure) => {
  const width = [9, 11, 11, 11, 11, 13, 12, 9, 7, 6, 14];
  const row = (cells: readonly string[]) =>
    console.log(cells.map((cell, index) => cell.padStart(width[index] ?? 0)).join(' '));
  row([
    'in flight',
    'adopted/s',
    'bytes/task',
    'polls/s',
    'requests/s',
    'transitions/s',
    'delay p50 s',
    'p95 s',
    'ended',
    'cores',
    'stalls ms',
  ]);
  for (const level of levels.split(',')) {
    const measured = await measure<Measured>(import.meta.filename, [level]);
    if (measured.lostSessions > 0) {
      console.log(`${level.padStart(9)} the session was lost: the machine is too busy to measure this`);
      continue;
    }
    row([
      String(measured.inFlight),
      measured.adoptedPerSecond.toFixed(0),
      // With fewer tasks their memory is lost in the fluctuation of the process itself.
      measured.inFlight < SEEN_FROM ? '-' : measured.bytesPerTask.toFixed(0),
      measured.pollsPerSecond.toFixed(0),
      measured.requestsPerSecond.toFixed(1),
      measured.transitionsPerSecond.toFixed(0),
      secondsOf(measured.delay?.p50),
      secondsOf(measured.delay?.p95),
      String(measured.ended),
      measured.cpu.toFixed(2),
      `${measured.stallAdopting.toFixed(0)}, ${measured.stall.toFixed(0)}`,
    ]);
  }
});

function secondsOf(ms: number | undefined): string {
  return ms === undefined ? '-' : (ms / 1000).toFixed(2);
}
