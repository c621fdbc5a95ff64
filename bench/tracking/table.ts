import type { Distribution, Figures, Observer } from './figures.ts';
import type { Contender, Load } from './run.ts';

const WIDTHS = [50, 6, 8, 8, 8, 8, 9];

/** What is measured, and the names of the columns. */
export function printHead({ family, inFlight, tasks, speed, typical }: Load): void {
  const { medianSeconds, p90Seconds } = typical;
  const slowly =
    speed === 1 ? 'at real speed' : `${speed} times as fast as in reality, also in the catalogue`;
  console.log(
    `\n${family.model}: ${inFlight} in flight, ${tasks} tasks, ${slowly}; ${family.pollsPerSecond} polls/s allowed; ` +
      `simulated upstream (${family.upstream}) with places and submissions for all; catalogue: median ${medianSeconds} s, p90 ${p90Seconds} s`,
  );
  printRow(['delay until the end is known, s', 'tasks', 'mean', 'p50', 'p95', 'p99', 'queries']);
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
  }
  const parts = [
    `polls/task ${figures.polls.toFixed(1)}`,
    `upstream requests/task ${figures.requests.toFixed(1)}`,
    `allowance used ${(figures.allowance * 100).toFixed(1)}%`,
    figures.cores === undefined ? '' : `CPU ${figures.cores.toFixed(3)} core`,
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
