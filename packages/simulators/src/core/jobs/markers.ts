/** The course of a job, determined by its prompt. */
export interface Plan {
  readonly ending: Ending;
  /** Factor on the duration. `waits` and `runs` last until the job is cancelled or finished by hand. */
  readonly pace: number | 'waits' | 'runs';
  /** The length of the delivered video, as a part of the requested length. */
  readonly delivered: number;
  /** The result is announced but cannot be fetched. */
  readonly lost: boolean;
  /** The form in which the video is delivered. */
  readonly form: Form;
  /** The video has no sound, whatever was requested. */
  readonly silent: boolean;
}

/** A container. `page` is an HTML page with status 200. */
export type Form = 'mp4' | 'webm' | 'mov' | 'page';

/**
 * How a job ends. A `refused` job is never created: the submission itself is answered with the upstream's content error. `filtered`
 * is a success without a video, `partial` one with fewer videos than requested. Upstreams without these treat both as `moderation`.
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

/** The markers, written in a prompt in square brackets. README.md shows this table to users. */
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

/** The plan that the markers in a prompt ask for. Several markers combine. If they conflict, the last one wins. */
export function planOf(prompt: string): Plan {
  let plan = PLAIN;
  for (const [, word] of prompt.matchAll(/\[([a-z-]+)\]/g)) {
    if (word !== undefined && Object.hasOwn(MARKERS, word)) {
      plan = { ...plan, ...MARKERS[word as keyof typeof MARKERS] };
    }
  }
  return plan;
}
