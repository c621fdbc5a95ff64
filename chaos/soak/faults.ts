import type { FaultKind, FaultRule, Faults } from '@onetake/simulators';

type Kind = Omit<FaultRule, 'operation' | 'probability'>;

/** Faults of any call. */
const EVERYWHERE: readonly Kind[] = [
  { kind: 'reset' },
  { kind: 'server_error' },
  { kind: 'server_error', status: 500, html: true },
  { kind: 'rate_limited' },
  { kind: 'rate_limited', retryAfter: 1 },
  { kind: 'delay', delayMs: 500 },
  { kind: 'lost_answer' },
  { kind: 'silence' },
  { kind: 'hang' },
  { kind: 'empty_body' },
];
const JSON_ONLY: readonly Kind[] = [{ kind: 'malformed_json' }];
const BYTES_ONLY: readonly Kind[] = [
  { kind: 'truncated_body' },
  { kind: 'truncated_body' },
  { kind: 'slow_body', bytesPerSecond: 200_000 },
];

/** Of answers about one job. A list by which a lost submission is found must have ids that work. */
const ABOUT_JOBS: readonly Kind[] = [{ kind: 'renamed_ids' }, { kind: 'poll_later', retryAfter: 1 }];

/** These change the reason for which a job seems to have failed, or the id of all later jobs. The provider contract suite has them. */
export const NOT_SOAKED: readonly FaultKind[] = ['reworded_errors', 'flat_errors', 'given_id'];

const OPERATIONS: Readonly<Record<string, readonly Kind[]>> = {
  submit: [...EVERYWHERE, ...JSON_ONLY],
  poll: [...EVERYWHERE, ...JSON_ONLY, ...ABOUT_JOBS],
  list: [...EVERYWHERE, ...JSON_ONLY],
  download: [...EVERYWHERE, ...BYTES_ONLY],
};

/** Every kind of fault that the operation can meet: together they affect the fraction `probability` of the requests. */
export function addFaults(faults: Pick<Faults, 'add'>, probability: number): void {
  for (const [operation, kinds] of Object.entries(OPERATIONS)) {
    // Each rule only sees what the rules before it let pass; for small probabilities the difference is negligible.
    for (const kind of kinds) faults.add({ ...kind, operation, probability: probability / kinds.length });
  }
  if (probability === 0) return;
  // At every upstream.
  faults.add({ kind: 'clock_skew', skewMs: 40_000 });
  // A list shows the prompt as a form has changed it.
  faults.add({ kind: 'reworded_prompt', rewording: 'crlf' });
}
