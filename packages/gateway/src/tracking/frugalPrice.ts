import { survivalAt } from './distribution.ts';
import type { Estimate } from './estimate.ts';
import { nextPollMs } from './nextPoll.ts';
import { remainingMs } from './remainingTime.ts';

/** Of a hundred jobs, 95 are seen within this part of the time that half of the jobs take. */
const DELAY_PART = 0.1;
const SEEN_PART = 0.95;
/** Jobs that last longer than all but this part of them do not matter to that. */
const REST = 0.001;
/** The schedule at a price has so many polls at most. */
const MAX_POLLS = 1000;

/**
 * The highest price at which the delay of 95 jobs in a hundred stays below a tenth of the median, for accounts that are to be polled as
 * little as that allows. Takes a millisecond, so it is computed once for each estimate.
 */
export function frugalPrice(estimate: Estimate, minIntervalMs: number): number {
  const { medianMs } = remainingMs(estimate, { ageMs: 0, lastPollAgeMs: 0, state: 'running' });
  const enough = (price: number) =>
    seenWithin(estimate, price, minIntervalMs, DELAY_PART * medianMs) >= SEEN_PART;
  let low = medianMs * 1e-5;
  let high = medianMs;
  if (!enough(low)) return low;
  while (high / low > 1.05) {
    const middle = Math.sqrt(low * high);
    if (enough(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** The part of the jobs whose end is seen within `delayMs`, at this price. */
function seenWithin(estimate: Estimate, price: number, minIntervalMs: number, delayMs: number): number {
  const { ended } = estimate.total;
  const limits = { minIntervalMs, maxGapMs: 86_400_000, reliability: 0 };
  let seen = 0;
  let alive = 1;
  let ageMs = 0;
  for (let polls = 0; polls < MAX_POLLS && alive > REST; polls++) {
    const { ms } = nextPollMs({
      estimate,
      job: { ageMs, lastPollAgeMs: ageMs, state: 'running' },
      price,
      ...limits,
    });
    const nextMs = ageMs + ms;
    seen += survivalAt(ended, Math.max(ageMs, nextMs - delayMs)) - survivalAt(ended, nextMs);
    alive = survivalAt(ended, nextMs);
    ageMs = nextMs;
  }
  return seen + alive;
}
