import { normalCdf } from '@onetake/gateway';

/** Made-up models whose jobs take as long as those of real ones, and the exact distribution of their times. */
export interface Workload {
  readonly name: string;
  /** What a catalogue that is right says. */
  readonly prior: { readonly medianSeconds: number; readonly p90Seconds: number };
  /** Probability that a job that is submitted at this time of the day ends within so many seconds. */
  below(seconds: number, dayPart: number): number;
  /** The seconds that a job takes, and whether it fails. */
  draw(random: () => number, dayPart: number): { readonly seconds: number; readonly failed: boolean };
  /** The distribution depends on the time of the day. */
  readonly drifts: boolean;
}

interface Part {
  /** Parts of all jobs; they add up to one. */
  readonly share: number;
  readonly median: (dayPart: number) => number;
  readonly sigma: number;
  readonly fails?: boolean;
}

const always = (seconds: number) => () => seconds;

/** Jobs of several log-normal parts. */
function logNormals(name: string, parts: readonly Part[], drifts = false): Workload {
  const below = (seconds: number, dayPart: number) =>
    parts.reduce(
      (sum, { share, median, sigma }) =>
        sum + (seconds > 0 ? share * normalCdf(Math.log(seconds / median(dayPart)) / sigma) : 0),
      0,
    );
  const overDay = (seconds: number) =>
    drifts ? mean(Array.from({ length: 48 }, (_, half) => below(seconds, half / 48))) : below(seconds, 0);
  return {
    name,
    drifts,
    below,
    prior: { medianSeconds: invert(overDay, 0.5), p90Seconds: invert(overDay, 0.9) },
    draw(random, dayPart) {
      const part = pick(parts, random());
      const seconds = part.median(dayPart) * Math.exp(part.sigma * drawNormal(random));
      return { seconds, failed: part.fails ?? false };
    },
  };
}

function pick(parts: readonly Part[], random: number): Part {
  let below = 0;
  for (const part of parts) {
    below += part.share;
    if (random < below) return part;
  }
  throw new Error('the shares of the parts do not add up to one');
}

/** A power law up to an hour, when the upstream gives up. */
function pareto(name: string, leastSeconds: number, exponent: number): Workload {
  const within = 1 - (leastSeconds / 3600) ** exponent;
  const quantile = (p: number) => leastSeconds * (1 - p * within) ** (-1 / exponent);
  return {
    name,
    drifts: false,
    prior: { medianSeconds: quantile(0.5), p90Seconds: quantile(0.9) },
    below: (seconds) =>
      seconds < leastSeconds ? 0 : Math.min(1, (1 - (leastSeconds / seconds) ** exponent) / within),
    draw: (random) => ({ seconds: quantile(random()), failed: false }),
  };
}

/** Jobs whose times are log-normal. */
export function workloadOf(name: string, { medianSeconds, p90Seconds }: Workload['prior']): Workload {
  const sigma = Math.log(p90Seconds / medianSeconds) / 1.2816;
  return logNormals(name, [{ share: 1, median: always(medianSeconds), sigma }]);
}

export const WORKLOADS: readonly Workload[] = [
  // The catalogue's figures of Sora 2.
  workloadOf('log-normal', { medianSeconds: 150, p90Seconds: 360 }),
  logNormals('bimodal', [
    { share: 0.6, median: always(60), sigma: 0.2 },
    { share: 0.4, median: always(240), sigma: 0.2 },
  ]),
  pareto('heavy tail', 30, 1.5),
  logNormals(
    'drifting',
    [{ share: 1, median: (dayPart) => 120 * (1 + 0.6 * Math.sin(2 * Math.PI * dayPart)), sigma: 0.4 }],
    true,
  ),
  logNormals('fast', [{ share: 1, median: always(8), sigma: 0.4 }]),
  logNormals('slow', [{ share: 1, median: always(900), sigma: 0.5 }]),
  logNormals('early failures', [
    { share: 0.9, median: always(150), sigma: 0.5 },
    { share: 0.1, median: always(3), sigma: 0.5, fails: true },
  ]),
];

/** The seconds within which a share `p` of the jobs end. */
export function invert(below: (seconds: number) => number, p: number): number {
  let low = 1e-3;
  let high = 1e7;
  while (high / low > 1 + 1e-9) {
    const middle = Math.sqrt(low * high);
    if (below(middle) < p) low = middle;
    else high = middle;
  }
  return high;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Box and Muller. */
function drawNormal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
