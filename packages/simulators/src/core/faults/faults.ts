import type { Operation } from '../ledger.ts';
import { createRandom } from '../random.ts';
import { REWORDINGS, type Rewording } from './rewordings.ts';

/** The kinds of faults. README.md shows this table to users. */
export const FAULTS = {
  /** The connection is reset before the request is handled. */
  reset: 'before',
  /** The request is never handled and never answered. */
  hang: 'before',
  /** The request is handled after `delayMs`. */
  delay: 'before',
  /** The request is answered with a 5xx or another `status` (503 by default) and not handled. The body is the upstream's own, with `words` if they are set, or a page of another server (`html`). */
  server_error: 'before',
  /** The request is answered with the upstream's 429, with `Retry-After` if `retryAfter` (seconds) is set. */
  rate_limited: 'before',
  /** The request is handled, but the connection is reset instead of an answer. The job exists and will be billed. */
  lost_answer: 'after',
  /** The request is handled but never answered. */
  silence: 'after',
  /** The body is sent at `bytesPerSecond`. */
  slow_body: 'after',
  /** Content-Length announces the whole body, but the connection is reset in the middle. */
  truncated_body: 'after',
  /** The status is 200, but the JSON breaks off. */
  malformed_json: 'after',
  /** The status is correct, but there is no body. */
  empty_body: 'after',
  /** The answer asks not to be polled again for `retryAfter` seconds, by a `Retry-After` header. */
  poll_later: 'after',
  /**
   * Answers name jobs by other ids than the one that their creation was answered with, and those ids work nowhere. LiteLLM does so, as a proxy
   * before OpenAI (its issues 33423 and 33740).
   */
  renamed_ids: 'after',
  /** Errors in the answer have `words` for their message, which proxies and their pages may write. */
  reworded_errors: 'after',
  /** Errors of jobs are `words` instead of an object. No upstream documents it; servers that speak its protocol do so. */
  flat_errors: 'after',
  /** The next job gets the id `id`, as long as no other job has it: to a client, ids mean nothing. Lasts until it is removed. */
  given_id: 'always',
  /** The upstream's clock is `skewMs` ahead, in its Date header and in every time that it reports. Lasts until it is removed. */
  clock_skew: 'always',
  /** The upstream reports every prompt changed by `rewording`. Lasts until it is removed. */
  reworded_prompt: 'always',
} as const;

export type FaultKind = keyof typeof FAULTS;

export interface FaultRule {
  readonly kind: FaultKind;
  /** Which requests match. A field that is left out matches all. */
  readonly upstream?: string;
  readonly operation?: Operation;
  readonly account?: string;
  /** How many requests the fault affects. All if left out. */
  readonly count?: number;
  /** How many matching requests go through first. */
  readonly after?: number;
  /** The probability that a matching request is affected, 0-1, drawn from the seed. */
  readonly probability?: number;
  readonly status?: number;
  readonly html?: boolean;
  /** Seconds. */
  readonly retryAfter?: number;
  readonly delayMs?: number;
  readonly bytesPerSecond?: number;
  readonly skewMs?: number;
  readonly rewording?: Rewording;
  readonly words?: string;
  readonly id?: string;
}

const FIELDS: Readonly<Record<keyof FaultRule, true>> = {
  kind: true,
  upstream: true,
  operation: true,
  account: true,
  count: true,
  after: true,
  probability: true,
  status: true,
  html: true,
  retryAfter: true,
  delayMs: true,
  bytesPerSecond: true,
  skewMs: true,
  rewording: true,
  words: true,
  id: true,
};

export interface Fault {
  readonly id: number;
  readonly rule: FaultRule;
  /** How many requests it has affected. */
  readonly hits: number;
  remove(): void;
}

/** The active faults. Of the rules that match a request, the one that was added first applies. */
export interface Faults {
  add(rule: FaultRule): Fault;
  list(): readonly Fault[];
  remove(id: number): boolean;
  clear(): void;
}

export interface FaultsInForce extends Faults {
  /** The rule that applies to this request. Counts as a hit. */
  meet(request: {
    upstream: string;
    operation: Operation;
    account: string | undefined;
  }): FaultRule | undefined;
  /** How far the upstream's clock is ahead, milliseconds. */
  skewMs(upstream: string): number;
  /** A prompt as the upstream reports it. */
  reworded(upstream: string, prompt: string): string;
  /** The id that the next job of the upstream is to have, if a fault says so. */
  givenId(upstream: string): string | undefined;
}

export function createFaults(seed: string): FaultsInForce {
  const random = createRandom(`${seed} faults`);
  const active = new Map<number, Fault & { hits: number; seen: number }>();
  let last = 0;

  return {
    add(rule) {
      if (!Object.hasOwn(FAULTS, rule.kind)) {
        throw new TypeError(`unknown fault ${rule.kind}; known are ${Object.keys(FAULTS).join(', ')}`);
      }
      // A misspelt field would make the rule match other requests than intended.
      const stranger = Object.keys(rule).find((field) => !Object.hasOwn(FIELDS, field));
      if (stranger !== undefined) throw new TypeError(`unknown field ${stranger} of a fault`);
      if (rule.rewording !== undefined && !Object.hasOwn(REWORDINGS, rule.rewording)) {
        throw new TypeError(`unknown rewording; known are ${Object.keys(REWORDINGS).join(', ')}`);
      }
      const id = ++last;
      const fault = { id, rule, hits: 0, seen: 0, remove: () => void active.delete(id) };
      active.set(id, fault);
      return fault;
    },
    list: () => [...active.values()],
    remove: (id) => active.delete(id),
    clear: () => active.clear(),
    meet(request) {
      for (const fault of active.values()) {
        const { rule } = fault;
        if (FAULTS[rule.kind] === 'always' || !matches(rule, request)) continue;
        if (rule.count !== undefined && fault.hits >= rule.count) continue;
        if (++fault.seen <= (rule.after ?? 0)) continue;
        if (rule.probability !== undefined && random.next() >= rule.probability) continue;
        fault.hits++;
        return rule;
      }
      return undefined;
    },
    skewMs(upstream) {
      let sum = 0;
      for (const { rule } of active.values()) {
        if (rule.kind === 'clock_skew' && (rule.upstream ?? upstream) === upstream) sum += rule.skewMs ?? 0;
      }
      return sum;
    },
    reworded(upstream, prompt) {
      let reworded = prompt;
      for (const { rule } of active.values()) {
        const applies = rule.kind === 'reworded_prompt' && (rule.upstream ?? upstream) === upstream;
        if (applies && rule.rewording) reworded = REWORDINGS[rule.rewording](reworded);
      }
      return reworded;
    },
    givenId: (upstream) =>
      [...active.values()].findLast(
        ({ rule }) => rule.kind === 'given_id' && (rule.upstream ?? upstream) === upstream,
      )?.rule.id,
  };
}

function matches(
  rule: FaultRule,
  request: { upstream: string; operation: Operation; account: string | undefined },
): boolean {
  return (
    (rule.upstream ?? request.upstream) === request.upstream &&
    (rule.operation ?? request.operation) === request.operation &&
    (rule.account === undefined || rule.account === request.account)
  );
}
