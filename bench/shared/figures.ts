import { appendFileSync } from 'node:fs';

/** What a bench found about one thing: a value for each of its rounds. */
export interface Figure {
  /** Such as `status query, 16 connections: CPU against bare node:http`. */
  readonly name: string;
  /** `×` for a ratio, otherwise such as `µs`, `MB` or `/s`. */
  readonly unit: string;
  readonly rounds: readonly number[];
  readonly aim?: { readonly atMost: number } | { readonly atLeast: number };
}

/** The environment variable with the file to which a bench appends its figures, as JSON, a line each. `bench/main.ts` sets it. */
export const FIGURES_FILE = 'ONETAKE_BENCH_FIGURES';

/** Prints the figures of a bench as a table, and hands them to `npm run bench` if that runs it. */
export function report(figures: readonly Figure[], file = process.env[FIGURES_FILE]): void {
  console.log(`\n${tableOf(figures)}\n`);
  if (file !== undefined)
    appendFileSync(file, figures.map((figure) => `${JSON.stringify(figure, fourDigits)}\n`).join(''));
}

const fourDigits = (_key: string, value: unknown) =>
  typeof value === 'number' ? Number(value.toPrecision(4)) : value;

/** A Markdown table whose columns are aligned as plain text too. */
export function tableOf(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const { low, median, high } = spreadOf(figure);
    const spread = figure.rounds.length > 1 ? `${shortOf(low)} to ${shortOf(high)}` : '';
    return [
      figure.name,
      `${shortOf(median)} ${figure.unit}`,
      spread,
      String(figure.rounds.length),
      aimOf(figure),
      meetsAim(figure),
    ];
  });
  const all = [['what', 'median', 'spread', 'rounds', 'aim', 'met'], ...rows];
  const widths = [0, 1, 2, 3, 4, 5].map((column) =>
    Math.max(3, ...all.map((cells) => cells[column]?.length ?? 0)),
  );
  const lineOf = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  const [head = [], ...body] = all;
  return [lineOf(head), rule, ...body.map(lineOf)].join('\n');
}

/** The smallest value, the median and the largest value. Not numbers if there are no rounds. */
export function spreadOf({ rounds }: Figure): { low: number; median: number; high: number } {
  const sorted = rounds.toSorted((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  const median = (at(Math.floor((sorted.length - 1) / 2)) + at(Math.floor(sorted.length / 2))) / 2;
  return { low: at(0), median, high: at(sorted.length - 1) };
}

/** Three significant digits. */
export function shortOf(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return Math.abs(value) >= 100
    ? Math.round(value).toLocaleString('en-US')
    : String(Number(value.toPrecision(3)));
}

function aimOf({ aim, unit }: Figure): string {
  if (!aim) return '';
  return 'atMost' in aim ? `≤ ${shortOf(aim.atMost)} ${unit}` : `≥ ${shortOf(aim.atLeast)} ${unit}`;
}

/** Whether the median meets the aim. Empty if there is none. */
export function meetsAim(figure: Figure): 'yes' | 'no' | '' {
  const { median } = spreadOf(figure);
  if (!figure.aim) return '';
  const met = 'atMost' in figure.aim ? median <= figure.aim.atMost : median >= figure.aim.atLeast;
  return met ? 'yes' : 'no';
}
