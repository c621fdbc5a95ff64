import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { UnknownSubmission } from '../../../src/providers/provider.ts';
import {
  type Candidate,
  DOUBT_MS,
  guessedIntent,
  judge,
  type Listing,
  lookedUp,
  SETTLED_MS,
} from '../../../src/providers/search/judge.ts';
import { newId, newTaskId } from '../../../src/tasks/ids.ts';
import { matchPrompt } from '../../../src/tasks/likeness.ts';
import { aRequest, START_OF_TIME } from '../../support/builders.ts';
import { aPromptText, perturbations } from '../../support/perturbed.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const ABSENT = { found: false, certainty: 'absent' };
const UNKNOWN = { found: false, certainty: 'unknown' };

/** A submission that was intended at noon by the upstream's clock, three minutes ago. */
const NOON = START_OF_TIME;
const lost = (changes: Partial<UnknownSubmission> = {}): UnknownSubmission => ({
  taskId: newTaskId(),
  idempotencyKey: newId(),
  upstreamModel: 'a-model',
  request: aRequest(),
  intendedAt: NOON,
  intendedThereAt: NOON,
  sinceGivenUp: () => 3 * MINUTE,
  isKnown: async () => false,
  ...changes,
});

const listing = (changes: Partial<Listing> = {}): Listing => ({
  candidates: [],
  listedAt: NOON + 3 * MINUTE,
  completeSince: NOON - 20 * MINUTE,
  tellsAll: true,
  ...changes,
});

const job = (changes: Partial<Candidate> = {}): Candidate => ({
  upstreamId: 'job-1',
  createdAt: NOON + 1000,
  likeness: 'same',
  ...changes,
});

describe('a lost submission', () => {
  it('is absent if a complete and late enough list has nothing similar', async () => {
    expect(await judge(listing(), lost())).toEqual(ABSENT);
    expect(await judge(listing({ candidates: [job({ likeness: 'different' })] }), lost())).toEqual(ABSENT);
    expect(await judge(listing({ candidates: [job()] }), lost({ isKnown: async () => true }))).toEqual(
      ABSENT,
    );
    expect(await judge(listing({ candidates: [job({ createdAt: NOON - 16 * MINUTE })] }), lost())).toEqual(
      ABSENT,
    );
  });

  it.each<[string, Partial<Listing>, Partial<UnknownSubmission>]>([
    ['the upstream’s time of the intent is not known', {}, { intendedThereAt: undefined as never }],
    ['the upstream does not tell its time', { listedAt: undefined }, {}],
    ['the list does not reach back to the intent', { completeSince: NOON + 1 }, {}],
    ['the list reaches back with no margin', { completeSince: NOON - 1000 }, {}],
    ['the list may leave out jobs', { completeSince: undefined }, {}],
    ['the list was made too soon', { listedAt: NOON + MINUTE }, {}],
    ['the list is from before the intent', { listedAt: NOON - DAY }, {}],
    ['the call was given up a moment ago', {}, { sinceGivenUp: () => MINUTE }],
    ['a job is near', { candidates: [job({ likeness: 'near' })] }, {}],
    ['a job does not tell its age', { candidates: [job({ createdAt: undefined })] }, {}],
    ['a job seems a little too old', { candidates: [job({ createdAt: NOON - 20_000 })] }, {}],
  ])('is in doubt if %s', async (_why, list, submission) => {
    expect(await judge(listing(list), lost(submission))).toEqual(UNKNOWN);
  });

  it('is found by the elapsed time if the upstream’s clock was not known', async () => {
    const measured = { intendedThereAt: undefined as never, sinceIntent: () => 3 * MINUTE };
    // The gateway's wall clock is a day off, which does not matter.
    const submission = lost({ ...measured, intendedAt: NOON + DAY });
    expect(await judge(listing({ candidates: [job()] }), submission)).toEqual({
      found: true,
      upstreamId: 'job-1',
    });
    expect(await judge(listing(), submission)).toEqual(ABSENT);
  });

  it('is one of two matching jobs only if nothing else could tell them apart', async () => {
    const candidates = [job(), job({ upstreamId: 'job-2' })];
    expect(await judge(listing({ candidates }), lost())).toMatchObject({ found: true });
    expect(await judge(listing({ candidates, tellsAll: false }), lost())).toEqual(UNKNOWN);
  });

  it.each<[string, Partial<Listing>, Partial<UnknownSubmission>]>([
    ['the call was given up', {}, { sinceGivenUp: () => SETTLED_MS }],
    ['the list was made', { listedAt: NOON + SETTLED_MS }, {}],
    ['the list reaches back', { completeSince: NOON - DOUBT_MS }, {}],
  ])(
    'is absent from the very moment at which it is long enough since, or as far as, %s',
    async (_what, list, submission) => {
      expect(await judge(listing(list), lost(submission))).toEqual(ABSENT);
    },
  );

  it.each<[string, Partial<Listing>, Partial<UnknownSubmission>]>([
    ['the call was given up', {}, { sinceGivenUp: () => SETTLED_MS - 1 }],
    ['the list was made', { listedAt: NOON + SETTLED_MS - 1 }, {}],
    ['the list reaches back', { completeSince: NOON - DOUBT_MS + 1 }, {}],
  ])('is in doubt a moment before: %s', async (_what, list, submission) => {
    expect(await judge(listing(list), lost(submission))).toEqual(UNKNOWN);
  });

  const FOUND = { found: true, upstreamId: 'job-1' };
  it.each<[string, number, number | undefined, unknown]>([
    ['older than the intent by what clocks round off', 2000, undefined, FOUND],
    ['older by a moment more', 2001, undefined, UNKNOWN],
    ['as old as clocks may differ', 15 * MINUTE, undefined, UNKNOWN],
    ['older than that', 15 * MINUTE + 1, undefined, ABSENT],
    ['within the slack of its list', 20 * MINUTE, 20 * MINUTE, FOUND],
    ['older than the slack of its list', 20 * MINUTE + 1, 20 * MINUTE, ABSENT],
    ['older than a small slack', 20_001, 20_000, UNKNOWN],
  ])('has a job that is %s', async (_what, ageMs, slackMs, outcome) => {
    const candidates = [job({ createdAt: NOON - ageMs })];
    const list = listing({ candidates, ...(slackMs === undefined ? {} : { slackMs }) });
    expect(await judge(list, lost())).toEqual(outcome);
  });

  it('is searched for within a quarter of an hour of the gateway’s time if the upstream’s is unknown', async () => {
    const submission = lost({ intendedThereAt: undefined as never });
    const of = (ageMs: number, more: Candidate[] = []) =>
      judge(
        listing({ listedAt: undefined, candidates: [job({ createdAt: NOON - ageMs }), ...more] }),
        submission,
      );
    expect(await of(15 * MINUTE)).toEqual(FOUND);
    expect(await of(15 * MINUTE + 1)).toEqual(UNKNOWN);
    // Then two of them cannot be told apart.
    expect(await of(0, [job({ upstreamId: 'job-2' })])).toEqual(UNKNOWN);
  });

  it('was intended at the earlier of the known times', async () => {
    const at = (intendedThereAt: number | undefined, sinceMs?: number) =>
      lost({
        intendedThereAt: intendedThereAt as never,
        intendedAt: NOON + DAY,
        ...(sinceMs === undefined ? {} : { sinceIntent: () => sinceMs }),
      });
    const listedAt = NOON + 10 * MINUTE;
    expect(guessedIntent(at(NOON), listedAt)).toBe(NOON);
    expect(guessedIntent(at(NOON, 11 * MINUTE), listedAt)).toBe(NOON - MINUTE);
    expect(guessedIntent(at(NOON, 9 * MINUTE), listedAt)).toBe(NOON);
    expect(guessedIntent(at(undefined, 9 * MINUTE), listedAt)).toBe(NOON + MINUTE);
    expect(guessedIntent(at(undefined, 9 * MINUTE))).toBe(NOON + DAY);
    expect(guessedIntent(at(undefined), listedAt)).toBe(NOON + DAY);
  });

  it('is found by its key alone if the upstream has one for each attempt', () => {
    expect(lookedUp('job-1')).toEqual({ found: true, upstreamId: 'job-1', isCertain: true });
    expect(lookedUp(undefined)).toEqual(ABSENT);
  });

  it('is never absent while its job is listed, whatever happens to prompts and clocks', async () => {
    const times = fc.record({
      /** How far the job's time is behind the intent's, because of rounding and the clocks of several machines. */
      lateMs: fc.integer({ min: -59_000, max: 30 * MINUTE }),
      /** How far the gateway's wall clock is off. */
      ourClock: fc.integer({ min: -DAY, max: DAY }),
      isKnown: fc.boolean(),
      /** This process made the intent, and may have been suspended since. */
      sinceIntent: fc.option(fc.integer({ min: 3 * MINUTE, max: DAY }), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(aPromptText, perturbations, times, async (prompt, change, time) => {
        const createdAt = NOON + time.lateMs;
        const likeness = matchPrompt(prompt, change.apply(prompt));
        const submission = lost({
          intendedAt: NOON + time.ourClock,
          ...(time.isKnown ? {} : { intendedThereAt: undefined as never }),
          ...(time.sinceIntent === undefined ? {} : { sinceIntent: () => time.sinceIntent ?? 0 }),
        });
        const outcome = await judge(
          listing({
            candidates: [
              job({ upstreamId: 'ours', createdAt, likeness }),
              job({ upstreamId: 'b', likeness: 'different' }),
            ],
            completeSince: Number.NEGATIVE_INFINITY,
          }),
          submission,
        );
        expect(outcome).not.toEqual(ABSENT);
        if (outcome.found) expect(outcome.upstreamId).toBe('ours');
      }),
      { numRuns: 2000 },
    );
  });
});
