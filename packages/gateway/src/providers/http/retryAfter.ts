import type { IncomingHttpHeaders } from 'node:http';

/** Longer than this is no advice for a task that waits. Milliseconds. */
const MAX_MS = 600_000;

/**
 * `Retry-After` (RFC 9110, section 10.2.3: seconds, or a date) in milliseconds from now; undefined without one.
 * `retry-after-ms`, which OpenAI's SDKs prefer, goes before it.
 */
export function retryAfterMs(headers: IncomingHttpHeaders, now: number): number | undefined {
  const exact = Number(headers['retry-after-ms'] ?? Number.NaN);
  if (Number.isFinite(exact)) return Math.min(MAX_MS, Math.max(0, exact));
  const value = headers['retry-after'];
  if (value === undefined) return undefined;
  const ms = /^\d+(\.\d+)?$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isFinite(ms) ? Math.min(MAX_MS, Math.max(0, ms)) : undefined;
}
