import { createHash } from 'node:crypto';
import { KIND_NAMES, type KindName } from './plan.ts';

/** What became of one client in one round. */
export interface Outcome {
  readonly client: string;
  readonly kind: KindName;
  /** Its exit code, or the signal that ended it; the last one if it was started again. */
  readonly exit: number | string;
  /** How often its user repeated its command, because it gave up as documented. */
  readonly repeats: number;
  /** The fault has met it. */
  readonly met: boolean;
  /** What it has saved; undefined if there is no file. */
  readonly saved: Buffer | undefined;
  /** What the gateway has. */
  readonly stored: Buffer | undefined;
  /** Why the saved file cannot be played; undefined if it can. */
  readonly unplayable: string | undefined;
  /** Its tasks at the gateway. */
  readonly tasks: number;
  /** The jobs that the gateway has made of them upstream. */
  readonly jobs: number;
  /** What it has left beside the file. */
  readonly rest: readonly string[];
}

/** Everything that is wrong with an outcome. */
export function wrongsOf(outcome: Outcome): readonly string[] {
  const { exit, met, saved, stored, unplayable, tasks, jobs, rest } = outcome;
  const wrongs: string[] = [];
  if (!met) wrongs.push('it ended before the fault');
  if (exit !== 0) wrongs.push(`it ended with ${exit}`);
  if (!stored) wrongs.push('the gateway has no video');
  if (!saved) wrongs.push('it saved no file');
  if (saved && stored && digestOf(saved) !== digestOf(stored))
    wrongs.push(`it saved ${saved.length} bytes that are not the ${stored.length} of the gateway`);
  if (saved && unplayable !== undefined) wrongs.push(`its file cannot be played: ${unplayable}`);
  if (tasks !== 1) wrongs.push(`it has ${tasks} tasks`);
  if (jobs !== 1) wrongs.push(`${jobs} jobs were made upstream`);
  if (rest.length > 0) wrongs.push(`it left ${rest.join(', ')}`);
  return wrongs;
}

const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** A row for each fault, a column for each client: how often it was met and, if any ended wrongly, how many. The totals are last. */
export function report(outcomes: readonly Outcome[]): string {
  const clients = [...new Set(outcomes.map(({ client }) => client))];
  const cell = (kind: KindName, client: string): string => {
    const met = outcomes.filter((outcome) => outcome.kind === kind && outcome.client === client);
    const wrong = met.filter((outcome) => wrongsOf(outcome).length > 0).length;
    return wrong === 0 ? String(met.length) : `${met.length} (${wrong} wrong)`;
  };
  const rows = [
    ['', ...clients],
    ...KIND_NAMES.map((kind) => [kind, ...clients.map((client) => cell(kind, client))]),
  ];
  const widths = ['', ...clients].map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const table = rows.map((row) =>
    row
      .map((text, column) =>
        column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0),
      )
      .join('  '),
  );
  const wrong = outcomes.filter((outcome) => wrongsOf(outcome).length > 0).length;
  const repeats = outcomes.reduce((sum, outcome) => sum + outcome.repeats, 0);
  return [...table, `${repeats} commands repeated`, `${outcomes.length} videos, ${wrong} wrong`].join('\n');
}
