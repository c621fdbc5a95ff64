/** What becomes of a job, decided by its prompt. */
export interface Plan {
  readonly ending: Ending;
  /** Factor on the time it takes; `waits` and `runs` are for ever, until it is cancelled or finished by hand. */
  readonly pace: number | 'waits' | 'runs';
  /** Part of the asked seconds that the delivered video has. */
  readonly delivered: number;
  /** The result is announced, and gone. */
  readonly lost: boolean;
  /** What is delivered as a video. */
  readonly form: Form;
  /** Without sound, whatever was asked for. */
  readonly silent: boolean;
}

/** A container; `page` is HTML, with status 200 as any other. */
export type Form = 'mp4' | 'webm' | 'mov' | 'page';

/**
 * How a job ends. `refused` jobs never come to be: the submit itself is answered with the upstream's content error.
 * `filtered` is success without a video and `partial` with fewer videos than asked; upstreams that know no such thing take both as `moderation`.
 */
export type Ending =
  | 'success'
  | 'refused'
  | 'moderation'
  | 'filtered'
  | 'partial'
  | 'failure'
  | 'invalid'
  | 'expiry';

const PLAIN: Plan = { ending: 'success', pace: 1, delivered: 1, lost: false, form: 'mp4', silent: false };

/** The words that decide, each to be put into a prompt in square brackets. README.md shows this table to users. */
export const MARKERS = {
  'moderation-input': { ending: 'refused' },
  moderation: { ending: 'moderation' },
  filtered: { ending: 'filtered' },
  partial: { ending: 'partial' },
  fail: { ending: 'failure' },
  invalid: { ending: 'invalid' },
  expire: { ending: 'expiry', pace: 'runs' },
  quick: { pace: 0.05 },
  instant: { pace: 0 },
  slow: { pace: 10 },
  queued: { pace: 'waits' },
  hold: { pace: 'runs' },
  short: { delivered: 0.5 },
  gone: { lost: true },
  webm: { form: 'webm' },
  mov: { form: 'mov' },
  page: { form: 'page' },
  silent: { silent: true },
} as const satisfies Record<string, Partial<Plan>>;

/** What the markers in a prompt ask for; several combine, and the last one wins where they disagree. */
export function planOf(prompt: string): Plan {
  let plan = PLAIN;
  for (const [, word] of prompt.matchAll(/\[([a-z-]+)\]/g)) {
    if (word !== undefined && Object.hasOwn(MARKERS, word)) {
      plan = { ...plan, ...MARKERS[word as keyof typeof MARKERS] };
    }
  }
  return plan;
}
