import type { IncomingHttpHeaders } from 'node:http';
import type { Answer } from '../provider.ts';

/** A waiting task does not wait longer than this, whatever the header says. Milliseconds. */
const MAX_MS = 600_000;

/**
 * `Retry-After` (RFC 9110, section 10.2.3: seconds or a date) in milliseconds from now; undefined without the header.
 * `retry-after-ms`, which OpenAI's SDKs prefer, takes precedence.
 */
export function retryAfterMs(headers: IncomingHttpHeaders, now: number): number | undefined {
  const exact = Number(headers['retry-after-ms'] ?? Number.NaN);
  if (Number.isFinite(exact)) return Math.min(MAX_MS, Math.max(0, exact));
  const value = headers['retry-after'];
  if (value === undefined) return undefined;
  const ms = /^\d+(\.\d+)?$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isFinite(ms) ? Math.min(MAX_MS, Math.max(0, ms)) : undefined;
}

/**
 * How long an answer about an unfinished job asks to wait before the next poll, in milliseconds; undefined if it does not ask. OpenAI's SDKs
 * read `openai-poll-after-ms` (openai-node, src/lib/polling.ts), other services may send `Retry-After`.
 */
export function pollAfterMs(headers: IncomingHttpHeaders, now: number): number | undefined {
  const exact = Number(headers['openai-poll-after-ms'] ?? Number.NaN);
  return exact >= 0 ? Math.min(MAX_MS, exact) : retryAfterMs(headers, now);
}

/** The answer with the wait that came with it. A job that is over is not polled again. */
export function withPollAfter(answer: Answer, pollAfterMs: number | undefined): Answer {
  const isUnfinished = answer.state === 'queued' || answer.state === 'in_progress';
  return isUnfinished && pollAfterMs !== undefined ? { ...answer, pollAfterMs } : answer;
}
