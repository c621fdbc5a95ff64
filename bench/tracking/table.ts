import type { Measured } from '../cluster/level.ts';
import type { LIMITS } from '../cluster/node.ts';
import type { Typical } from '../cluster/steadyState.ts';
import type { Distribution } from '../shared/distribution.ts';
import type { Figures, Observer } from './figures.ts';
import type { Contender, Load } from './run.ts';

const WIDTHS = [50, 6, 8, 8, 8, 8, 9];

const COLUMNS = ['delay until the end is known, s', 'tasks', 'mean', 'p50', 'p95', 'p99', 'queries'];

/** What is measured, and the names of the columns. */
export function printHead({ family, inFlight, tasks, speed, spreadSeconds, typical, times }: Load): void {
  const quick = `${speed} times as fast as in reality, in the catalogue too`;
  const whose =
    times === 'catalogue' ? 'as in the catalogue' : 'much shorter than in the catalogue, which says';
  console.log(`
${family.model}, ${inFlight} in flight, ${tasks} tasks, ${speed === 1 ? 'at real speed' : quick}
  simulator ${family.upstream}; ${family.pollsPerSecond} polls/s allowed, places and submissions for all
  first submissions over ${spreadSeconds} s
  durations ${whose}: median ${typical.medianSeconds} s, p90 ${typical.p90Seconds} s`);
  printRow(COLUMNS);
}

/** What is measured where the simulators would be the bottleneck. */
export function printStandInHead(
  inFlight: number,
  {
    limits: { pollsPerSecond, pollBatch },
    typical: { medianSeconds, p90Seconds },
  }: {
    readonly limits: Pick<typeof LIMITS, 'pollsPerSecond' | 'pollBatch'>;
    readonly typical: Typical;
  },
): void {
  console.log(`
${inFlight} in flight, at real speed
  stand-in of an upstream in the process of the engine, because simulators could not serve so many; PostgreSQL; neither HTTP nor clients
  ${pollsPerSecond} polls/s of up to ${pollBatch} jobs allowed; clients without a gateway would send ${inFlight / 5}/s of one job
  durations: median ${medianSeconds} s, p90 ${p90Seconds} s`);
  printRow(COLUMNS);
}

/** `leastSeconds`: the mean delay of the optimum at the same allowance. */
export function printStandIn(name: string, measured: Measured, leastSeconds: number): void {
  const { delay } = measured;
  if (measured.lostSessions > 0) {
    console.log(`${name}: the lease was lost: the machine is too busy to measure this`);
    return;
  }
  if (delay) printRow([`${name}: gateway`, String(delay.count), ...delayCells(delay)]);
  const parts = [
    `polls/task ${measured.pollsPerTask.toFixed(1)}`,
    `least mean delay for the allowance ${leastSeconds.toFixed(2)} s`,
    `allowance used ${(measured.allowance * 100).toFixed(1)}%`,
    `CPU ${measured.cpu.toFixed(3)} core`,
    `heap/task ${measured.bytesPerTask.toFixed(0)} bytes`,
  ];
  console.log(`  ${parts.join(', ')}`);
}

const OBSERVERS: Readonly<Record<Observer, string>> = {
  direct: 'client',
  gateway: 'gateway',
  waiting: 'client with ?wait=',
  told: 'client with Retry-After',
};

/** What one contender did. */
export function printRows({ name }: Contender, figures: Figures): void {
  const { delays, queries, durations } = figures;
  for (const observer of ['direct', 'gateway', 'waiting', 'told'] as const) {
    const delay = delays[observer];
    if (!delay) continue;
    const asked = observer === 'gateway' ? '' : queries[observer].toFixed(1);
    printRow([`${name}: ${OBSERVERS[observer]}`, String(delay.count), ...delayCells(delay), asked]);
    const after = figures.waitingAfterGateway;
    if (observer === 'waiting' && after)
      printRow(['  from gateway to client with ?wait=', String(after.count), ...delayCells(after)]);
  }
  const parts = [
    `polls/task ${figures.polls.toFixed(1)}`,
    `upstream requests/task ${figures.requests.toFixed(1)}`,
    `allowance used ${(figures.allowance * 100).toFixed(1)}%`,
    figures.cores === undefined ? '' : `CPU ${figures.cores.toFixed(3)} core`,
    `simulator's CPU ${figures.upstreamCores.toFixed(3)} core`,
    figures.bytesPerTask === undefined ? '' : `heap/task ${figures.bytesPerTask.toFixed(0)} bytes`,
    durations ? `jobs took ${seconds(durations.p50)} s, p90 ${seconds(durations.p90)} s` : '',
  ];
  console.log(`  ${parts.filter((part) => part !== '').join(', ')}`);
  if (delays.told) console.log(`  ${calibrationLine(figures)}`);
}

function delayCells({ mean, p50, p95, p99 }: Distribution): string[] {
  return [mean, p50, p95, p99].map((ms) => (ms / 1000).toFixed(2));
}

/** Of the answers that said that a task is done within so many seconds, the part that was right. */
function calibrationLine({ calibration }: Figures): string {
  const cells = calibration.map(({ seconds, said, right }) =>
    said === 0 ? `${seconds} s: -` : `${seconds} s: ${((right / said) * 100).toFixed(0)}% of ${said}`,
  );
  return `said to be done within, and was: ${cells.join('; ')}`;
}

function printRow(cells: readonly string[]): void {
  const [first = '', ...rest] = cells;
  const padded = rest.map((cell, index) => cell.padStart(WIDTHS[index + 1] ?? 0));
  console.log([first.padEnd(WIDTHS[0] ?? 0), ...padded].join('').trimEnd());
}

const seconds = (ms: number): string => (ms / 1000).toFixed(0);
