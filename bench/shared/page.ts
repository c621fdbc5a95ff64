import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { type Figure, shortOf, spreadOf, tableOf } from './figures.ts';

/** What one bench found, and where. */
export interface Measurement {
  /** Those of the bench, beside its defaults. */
  readonly options: readonly string[];
  readonly figures: readonly Figure[];
  /** Such as `2 × Intel(R) Xeon(R) CPU, 24 GB, Node 24.1.0`. */
  readonly machine: string;
  /** As in `2026-11-30`. */
  readonly date: string;
  /** The commit that was measured, abbreviated; `unknown` outside of a checkout. */
  readonly commit: string;
}

/** The latest measurement of each bench, by its name. */
export type Measurements = Readonly<Record<string, Measurement>>;

/** Where and when a measurement is made. */
export function aboutMachine(): Pick<Measurement, 'machine' | 'date' | 'commit'> {
  const processors = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GB`;
  return {
    machine: `${processors.length} × ${processors[0]?.model.trim() ?? 'CPU'}, ${memory}, Node ${process.versions.node}`,
    date: new Date().toISOString().slice(0, 10),
    commit: currentCommit(),
  };
}

function currentCommit(): string {
  const git = (...args: readonly string[]) =>
    execFileSync('git', args, {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    // The documents change with every measurement that is written.
    const isChanged = git('status', '--porcelain', '--', ':/', ':(exclude,top)docs') !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${isChanged ? ' with changes' : ''}`;
  } catch {
    return 'unknown';
  }
}

/** The measurements with another one of `name`. */
export function mergeInto(all: Measurements, name: string, measurement: Measurement): Measurements {
  return Object.fromEntries(
    Object.entries({ ...all, [name]: measurement }).sort(([a], [b]) => a.localeCompare(b)),
  );
}

/**
 * The page, in which the measurement of a bench stands between `<!-- figures: name -->` and `<!-- end -->`. Benches without a place are
 * not on it.
 */
export function pageOf(page: string, all: Measurements): string {
  return page.replaceAll(/<!-- figures: (\w+) -->[\s\S]*?<!-- end -->/g, (whole, name: string) => {
    const measurement = all[name];
    if (!measurement) return whole;
    const { options, figures, machine, date, commit } = measurement;
    const command = `npm run bench:${name}${options.length > 0 ? ` -- ${options.join(' ')}` : ''}`;
    const said = `\`${command}\`, ${date}, commit ${commit}, ${machine}:`;
    const plot = figures.some(({ aim }) => aim) ? `\n![Beside the aims](images/bench-${name}.svg)\n` : '';
    return `<!-- figures: ${name} -->\n${said}\n\n${tableOf(figures)}\n${plot}<!-- end -->`;
  });
}

const [WIDTH, NAMES, RIGHT, ROW, TOP] = [960, 520, 110, 26, 44];

/**
 * How far figures with an aim are from it, as an SVG document: a line from the best round to the worst, a point at the median, left of
 * the middle where it is better than the aim. Undefined if none has an aim.
 */
export function plotOf(name: string, figures: readonly Figure[]): string | undefined {
  const aimed = figures.flatMap((figure) => (figure.aim ? [{ figure, aim: figure.aim }] : []));
  if (aimed.length === 0) return undefined;
  const rows = aimed.map(({ figure, aim }) => {
    /** Above 1 where the aim is missed. */
    const missed = (value: number) => ('atMost' in aim ? value / aim.atMost : aim.atLeast / value);
    const { low, median, high } = spreadOf(figure);
    return { figure, median, at: [low, median, high].map(missed).map(placeOf) };
  });
  const height = TOP + rows.length * ROW + 34;
  const middle = placeOf(1);
  const drawn = rows.map(({ figure, median, at: [low = 0, centre = 0, high = 0] }, row) => {
    const y = TOP + (row + 0.5) * ROW;
    const colour = centre <= middle ? '#287d3c' : '#c22';
    return [
      `<text x="${NAMES - 12}" y="${y + 4}" text-anchor="end">${escaped(figure.name)}</text>`,
      `<path d="M${low.toFixed(1)} ${y}H${high.toFixed(1)}" stroke="${colour}" stroke-width="2"/>`,
      `<circle cx="${centre.toFixed(1)}" cy="${y}" r="4" fill="${colour}"/>`,
      `<text x="${WIDTH - RIGHT + 12}" y="${y + 4}">${escaped(`${shortOf(median)} ${figure.unit}`)}</text>`,
    ].join('');
  });
  const marks = [0.1, 1, 10].map((share) => {
    const x = placeOf(share).toFixed(1);
    const said = share === 1 ? 'aim' : share < 1 ? '10 × better' : '10 × worse';
    return `<path d="M${x} ${TOP}V${height - 30}" stroke="#ccc"/><text x="${x}" y="${height - 12}" text-anchor="middle">${said}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>${escaped(name)}: figures beside their aims</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="16" y="26" font-size="15" font-weight="600">${escaped(name)}: the median and the spread, beside the aim</text>`,
    ...marks,
    ...drawn,
    '</svg>\n',
  ].join('\n');
}

/** A logarithmic scale from a thirtieth of the aim to thirty times as much. */
function placeOf(share: number): number {
  const limited = Math.min(30, Math.max(1 / 30, Number.isFinite(share) ? share : 30));
  return NAMES + ((Math.log(limited) / Math.log(30) + 1) / 2) * (WIDTH - RIGHT - NAMES);
}

const escaped = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
