const [SECOND, MINUTE, HOUR] = [1000, 60_000, 3_600_000];

/** The pause after each try, but for the last: that of Standard Webhooks, three days in all. Milliseconds. */
const PAUSES_MS = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];
/** How much longer a pause may be: what failed at once is not tried again at once. */
const JITTER = 0.1;
/** A receiver cannot put a try off for longer. Milliseconds. */
const MOST_PAUSE_MS = 24 * HOUR;

/**
 * Milliseconds until the next try after so many; undefined if that was the last one. `retryAfter` is the header of the answer (RFC 9110,
 * section 10.2.3: seconds or a date): the next try is not before that.
 */
export function pauseAfter(
  tries: number,
  {
    retryAfter,
    now,
    random,
  }: { readonly retryAfter: string | undefined; readonly now: number; readonly random: () => number },
): number | undefined {
  const pause = PAUSES_MS[tries - 1];
  if (pause === undefined) return undefined;
  const asked = Math.min(MOST_PAUSE_MS, wantedMs(retryAfter, now));
  return Math.ceil(Math.max(pause, asked) * (1 + JITTER * random()));
}

function wantedMs(header: string | undefined, now: number): number {
  if (header === undefined) return 0;
  const ms = /^\d+(\.\d+)?$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? ms : 0;
}
