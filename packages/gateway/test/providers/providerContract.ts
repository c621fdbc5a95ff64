import { Readable } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type Answer,
  type Handle,
  type Job,
  type Provider,
  SendRefused,
  type Started,
  type UnknownSubmission,
  UpstreamError,
} from '../../src/providers/provider.ts';
import { newId, newTaskId } from '../../src/tasks/ids.ts';
import { REASONS } from '../../src/tasks/reasons.ts';
import type { UpstreamResult } from '../../src/tasks/task.ts';
import { aRequest } from '../support/builders.ts';
import { readAll } from '../support/readAll.ts';
import { sending } from '../support/sending.ts';

/** One provider with its upstream, as the suite needs them. Hooks that an upstream cannot offer are left out. */
export interface ProviderFixture {
  readonly provider: Provider;
  /** Another provider over the same upstream, as after a restart; the first one may still be open. */
  reopen(): Promise<Provider>;
  /** Changes a job into one that this upstream takes and finishes quickly. */
  readonly job?: (job: Job) => Job;
  /** How many jobs have been made upstream. */
  jobsMade(): number | Promise<number>;
  /** Resolves when asking again may give another answer. */
  passTime(): Promise<void>;
  /** The upstream takes the next start, and its answer is lost. */
  loseNextAnswer?(): void;
  /** The next job fails upstream. */
  failNextJob?(): void;
  /** The next job runs until it is cancelled. */
  holdNextJob?(): void;
  /** From now on nothing upstream can be reached. */
  breakUpstream?(): void;
  /** From now on the upstream takes calls and never answers. */
  stallUpstream?(): void;
  end(): Promise<void>;
}

export interface ProviderContract {
  readonly name: string;
  create(): Promise<ProviderFixture>;
  /** What a second start with the same key makes. The engine never makes one; where it is `one_job` a retry is free. */
  readonly startTwice: 'one_job' | 'two_jobs';
}

const PIXELS = Buffer.from('as good as an image here');
const AN_IMAGE = {
  mediaId: 'image',
  contentType: 'image/png',
  bytes: PIXELS.length,
  width: 1280,
  height: 720,
};

/** Questions after which a job that was to finish quickly counts as stuck. */
const MAX_QUESTIONS = 2000;

/** What the engine relies on, whoever the provider is. */
export function describeProviderContract({ name, create, startTwice }: ProviderContract): void {
  async function open() {
    const fixture = await create();
    onTestFinished(() => fixture.end());
    return fixture;
  }

  describe(`${name}: a job`, () => {
    it('is started, asked about, and opened whole', async () => {
      const fixture = await open();
      const { handle, result } = await finished(fixture);
      const { bytes, told } = await fetched(fixture.provider, handle, result, 0);
      expect(bytes.length).toBeGreaterThan(0);
      expect(told === undefined || told === bytes.length).toBe(true);
    });

    it('gives the same bytes each time, from any offset on', async () => {
      const fixture = await open();
      const { handle, result } = await finished(fixture);
      const { bytes } = await fetched(fixture.provider, handle, result, 0);
      for (const offset of [0, 1, Math.floor(bytes.length / 2), bytes.length - 1, bytes.length]) {
        const part = await fetched(fixture.provider, handle, result, offset);
        // An upstream that ignores ranges says so by its offset.
        expect([0, offset]).toContain(part.offset);
        expect(part.bytes.equals(bytes.subarray(part.offset)), `from ${offset}`).toBe(true);
        expect(part.told === undefined || part.told === bytes.length, `length told from ${offset}`).toBe(
          true,
        );
      }
    });

    it('is known to the next process by its handle alone', async () => {
      const fixture = await open();
      const { handle } = await started(fixture);
      const next = await fixture.reopen();
      onTestFinished(() => next.close());
      const result = await awaited({ ...fixture, provider: next }, handle);
      const { bytes } = await fetched(next, handle, result, 0);
      expect(bytes.length).toBeGreaterThan(0);
    });

    it(`started twice with one key makes ${startTwice.replace('_', ' ')}`, async () => {
      const fixture = await open();
      const job = jobOf(fixture);
      const first = await fixture.provider.start(job, sending(signal()));
      const second = await fixture.provider.start(job, sending(signal()));
      expect(second.upstreamId === first.upstreamId).toBe(startTwice === 'one_job');
    });

    it('that fails upstream fails with a reason and with words for the caller', async (test) => {
      const fixture = await open();
      if (!fixture.failNextJob) return test.skip();
      fixture.failNextJob();
      const { handle } = await started(fixture);
      const answer = await lastAnswer(fixture, handle);
      if (answer.state !== 'failed') throw new Error(`the job ${answer.state}`);
      expect(Object.keys(REASONS)).toContain(answer.reason);
      expect(answer.message.length).toBeGreaterThan(0);
    });

    it('that is not known is missing, which is an answer and no error', async () => {
      const { provider } = await open();
      expect(await provider.ask(unknownHandle(), signal())).toMatchObject({ state: 'missing' });
    });

    it('can be forgotten, more than once', async (test) => {
      const fixture = await open();
      if (!fixture.provider.discard) return test.skip();
      const { handle } = await finished(fixture);
      await fixture.provider.discard(handle, signal());
      await settled(fixture.provider.discard(handle, signal()));
    });
  });

  describe(`${name}: asking about many`, () => {
    it('answers as asking about each does, and is silent or missing about strangers', async (test) => {
      const fixture = await open();
      const { askMany } = fixture.provider;
      if (!askMany) return test.skip();
      const one = await finished(fixture);
      const other = await finished(fixture);
      const stranger = unknownHandle();
      const answers = await askMany([one.handle, stranger, other.handle], signal());
      expect(answers.get(one.handle.upstreamId)?.state).toBe('succeeded');
      expect(answers.get(other.handle.upstreamId)?.state).toBe('succeeded');
      expect([undefined, 'missing']).toContain(answers.get(stranger.upstreamId)?.state);
    });
  });

  describe(`${name}: a lost submission`, () => {
    const lookFor = (provider: Provider, job: Job, known: readonly string[] = []) =>
      provider.find?.(lostSubmission(job, known), signal());

    it('is found by its key', async (test) => {
      const fixture = await open();
      if (!fixture.provider.find) return test.skip();
      const job = jobOf(fixture);
      let upstreamId: string | undefined;
      if (fixture.loseNextAnswer) {
        fixture.loseNextAnswer();
        const error = await settled(fixture.provider.start(job, sending(signal())));
        expect(error).toMatchObject({ created: 'unknown' });
      } else {
        ({ upstreamId } = await fixture.provider.start(job, sending(signal())));
      }
      const next = await fixture.reopen();
      onTestFinished(() => next.close());
      const found = await lookFor(next, job);
      if (!found?.found) throw new Error('not found');
      if (upstreamId !== undefined) expect(found.upstreamId).toBe(upstreamId);
      await awaited({ ...fixture, provider: next }, handleOf(job, found.upstreamId));
    });

    it('that never arrived is not found', async (test) => {
      const fixture = await open();
      if (!fixture.provider.find) return test.skip();
      // Of the same words and shape, but another attempt's: it must not be taken for the lost one.
      const { upstreamId } = await fixture.provider.start(jobOf(fixture), sending(signal()));
      expect(await lookFor(fixture.provider, jobOf(fixture), [upstreamId])).toMatchObject({ found: false });
    });
  });

  describe(`${name}: a submission that this node may no longer make`, () => {
    it('is not sent, and may be made once the node may send again', async () => {
      const fixture = await open();
      const outcome = settled(
        fixture.provider.start(jobOf(fixture), { signal: signal(), maySend: () => false }),
      );
      expectRefused(await outcome);
      expect(await fixture.jobsMade()).toBe(0);
      await started(fixture);
      expect(await fixture.jobsMade()).toBe(1);
    });

    it('is not sent where that comes while it waits: for a token, a turn, a connection, new or kept', async () => {
      const fixture = await open();
      await finished(fixture);
      const before = await fixture.jobsMade();
      const startAndForbid = (provider: Provider) => {
        let may = true;
        const outcome = settled(provider.start(jobOf(fixture), { signal: signal(), maySend: () => may }));
        // What can be done at once has been done by now: whatever is still to come was waited for.
        may = false;
        return outcome;
      };
      expectRefused(await startAndForbid(fixture.provider));
      const unconnected = await fixture.reopen();
      onTestFinished(() => unconnected.close());
      expectRefused(await startAndForbid(unconnected));
      expect(await fixture.jobsMade()).toBe(before);
    });

    it('is not sent where that comes while an image is read for it', async () => {
      const fixture = await open();
      let may = true;
      const job = jobOf(fixture);
      const outcome = settled(
        fixture.provider.start(
          {
            ...job,
            request: { ...job.request, image: AN_IMAGE },
            async openInput() {
              may = false;
              return Readable.from([PIXELS]);
            },
          },
          { signal: signal(), maySend: () => may },
        ),
      );
      expectRefused(await outcome);
      expect(may).toBe(false);
      expect(await fixture.jobsMade()).toBe(0);
    });
  });

  describe(`${name}: cancelling`, () => {
    it('stops a job, now or by a later answer', async (test) => {
      const fixture = await open();
      if (!fixture.provider.cancel || !fixture.holdNextJob) return test.skip();
      fixture.holdNextJob();
      const { handle } = await started(fixture);
      const outcome = await fixture.provider.cancel(handle, signal());
      expect(['cancelled', 'pending', 'too_late']).toContain(outcome);
      if (outcome === 'too_late') return;
      const answer = await lastAnswer(fixture, handle);
      expect(answer.state === 'missing' || (answer.state === 'failed' && answer.reason === 'cancelled')).toBe(
        true,
      );
    });

    it('is too late for a job that is over, which keeps its video', async (test) => {
      const fixture = await open();
      if (!fixture.provider.cancel) return test.skip();
      const { handle, result } = await finished(fixture);
      expect(await fixture.provider.cancel(handle, signal())).toBe('too_late');
      expect((await fixture.provider.ask(handle, signal())).state).toBe('succeeded');
      expect((await fetched(fixture.provider, handle, result, 0)).bytes.length).toBeGreaterThan(0);
    });

    it('never says that it stopped a job that is not known', async (test) => {
      const fixture = await open();
      if (!fixture.provider.cancel) return test.skip();
      const outcome = await settled(fixture.provider.cancel(unknownHandle(), signal()));
      if (!(outcome instanceof UpstreamError)) expect(outcome).toBe('too_late');
    });
  });

  describe(`${name}: trouble`, () => {
    it('with the connection is an error of ours, with a reason', async (test) => {
      const fixture = await open();
      if (!fixture.breakUpstream) return test.skip();
      const { handle, result } = await finished(fixture);
      const { provider } = fixture;
      fixture.breakUpstream();
      const calls = [
        provider.start(jobOf(fixture), sending(signal())),
        provider.ask(handle, signal()),
        provider.askMany?.([handle, unknownHandle()], signal()),
        provider.open(handle, result, 0, signal()),
        provider.cancel?.(handle, signal()),
        provider.find?.(lostSubmission(jobOf(fixture)), signal()),
      ].flatMap((call) => (call ? [settled(call)] : []));
      for (const outcome of await Promise.all(calls)) expectUpstreamError(outcome);
    });

    it('with an upstream that never answers ends when the caller gives up', async (test) => {
      const fixture = await open();
      if (!fixture.stallUpstream) return test.skip();
      const { handle, result } = await finished(fixture);
      fixture.stallUpstream();
      const { provider } = fixture;
      const givenUp = new AbortController();
      const start = settled(provider.start(jobOf(fixture), sending(givenUp.signal)));
      const others = [
        settled(provider.ask(handle, givenUp.signal)),
        settled(provider.open(handle, result, 0, givenUp.signal)),
      ];
      givenUp.abort();
      const outcome = await start;
      expectUpstreamError(outcome);
      // The request had left: whether it arrived nobody can know.
      expect(outcome).toMatchObject({ created: 'unknown' });
      for (const other of others) expectUpstreamError(await other);
    });

    it('is not made by calls whose caller gave up before: each settles', async () => {
      const fixture = await open();
      const { handle, result } = await finished(fixture);
      const over = AbortSignal.abort();
      const job = jobOf(fixture);
      const outcome = await settled(fixture.provider.start(job, sending(over)));
      if (outcome instanceof Error) expectUpstreamError(outcome);
      await settled(fixture.provider.ask(handle, over));
      await settled(fixture.provider.open(handle, result, 0, over).then(({ stream }) => readAll(stream)));
    });
  });

  describe(`${name}: closing`, () => {
    it('ends the provider, twice if need be, also while a job runs', async () => {
      const fixture = await open();
      await started(fixture);
      await fixture.provider.close();
      await fixture.provider.close();
    });
  });
}

// Generous, since real upstreams' stand-ins may encode real video; a call that hangs fails by the test's own time limit.
const signal = (): AbortSignal => AbortSignal.timeout(60_000);

function jobOf(fixture: ProviderFixture): Job {
  const request = aRequest({ duration: 1, resolution: '480p', width: 854, height: 480 });
  const job: Job = {
    taskId: newTaskId(),
    attempt: 1,
    idempotencyKey: newId(),
    upstreamModel: request.model,
    request,
    openInput: async () => {
      throw new Error('the job has no inputs');
    },
  };
  return fixture.job?.(job) ?? job;
}

const lostSubmission = (job: Job, known: readonly string[] = []): UnknownSubmission => ({
  ...job,
  intendedAt: Date.now(),
  sinceIntent: () => 0,
  sinceGivenUp: () => 0,
  isKnown: async (upstreamId) => known.includes(upstreamId),
});

const handleOf = ({ upstreamModel, idempotencyKey }: Job, upstreamId: string): Handle => ({
  upstreamId,
  upstreamModel,
  idempotencyKey,
  intendedAt: Date.now(),
});

/** Spelled as a job may be, known to nobody. */
const unknownHandle = (): Handle => {
  const id = newId();
  return { upstreamId: id, upstreamModel: 'test-model', idempotencyKey: id, intendedAt: Date.now() };
};

async function started(fixture: ProviderFixture): Promise<{ handle: Handle; started: Started }> {
  const job = jobOf(fixture);
  const answer = await fixture.provider.start(job, sending(signal()));
  expect(answer.upstreamId).not.toBe('');
  expect(['queued', 'in_progress']).toContain(answer.state);
  return { handle: handleOf(job, answer.upstreamId), started: answer };
}

/** Asks until the job is over, or is not known any more. */
async function lastAnswer(fixture: ProviderFixture, handle: Handle): Promise<Answer> {
  for (let questions = 0; questions < MAX_QUESTIONS; questions++) {
    const answer = await fixture.provider.ask(handle, signal());
    if (answer.state !== 'queued' && answer.state !== 'in_progress') return answer;
    if (answer.progress !== undefined) {
      expect(answer.progress).toBeGreaterThanOrEqual(0);
      expect(answer.progress).toBeLessThanOrEqual(100);
    }
    await fixture.passTime();
  }
  throw new Error('the job does not end');
}

async function awaited(fixture: ProviderFixture, handle: Handle): Promise<UpstreamResult> {
  const answer = await lastAnswer(fixture, handle);
  if (answer.state !== 'succeeded') throw new Error(`the job did not succeed: ${JSON.stringify(answer)}`);
  // It is stored between two processes.
  expect(JSON.parse(JSON.stringify(answer.result))).toEqual(answer.result);
  return answer.result;
}

async function finished(fixture: ProviderFixture): Promise<{ handle: Handle; result: UpstreamResult }> {
  const { handle } = await started(fixture);
  return { handle, result: await awaited(fixture, handle) };
}

async function fetched(provider: Provider, handle: Handle, result: UpstreamResult, from: number) {
  const { stream, bytes: told, offset } = await provider.open(handle, result, from, signal());
  return { bytes: await readAll(stream), told, offset };
}

/** The value or the error, whichever comes. */
const settled = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error);

function expectRefused(outcome: unknown): void {
  expect(outcome).toBeInstanceOf(SendRefused);
  expect(outcome).toMatchObject({ created: 'no' });
}

function expectUpstreamError(outcome: unknown): void {
  expect(outcome).toBeInstanceOf(UpstreamError);
  if (outcome instanceof UpstreamError) expect(Object.keys(REASONS)).toContain(outcome.reason);
}
