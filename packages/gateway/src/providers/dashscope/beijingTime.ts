/** Times are told and taken as they are in Beijing, which has no summer time, without saying so. */
const AHEAD_MS = 8 * 3_600_000;

/** Milliseconds UTC as `YYYYMMDDhhmmss`, the way the list of tasks wants its window. */
export const compactBeijingTime = (ms: number): string =>
  new Date(ms + AHEAD_MS).toISOString().replace(/\D/g, '').slice(0, 14);
