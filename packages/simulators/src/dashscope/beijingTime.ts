/** Beijing has no summer time. */
const AHEAD_MS = 8 * 3_600_000;

/** `2025-09-25 11:07:28.590`: local time in Beijing, without an offset. */
export function beijingTime(ms: number): string {
  return new Date(ms + AHEAD_MS).toISOString().replace('T', ' ').slice(0, 23);
}

/** Milliseconds UTC of `YYYYMMDDhhmmss` in Beijing; undefined if it is not a time. */
export function fromCompact(text: string): number | undefined {
  const match = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})$/.exec(text);
  if (!match) return undefined;
  const [, year, month, day, hours, minutes, seconds] = match;
  const ms = Date.parse(`${year}-${month}-${day}T${hours}:${minutes}:${seconds}+08:00`);
  return Number.isNaN(ms) ? undefined : ms;
}
