import { describe, expect, it } from 'vitest';
import {
  type Abilities,
  type Answer,
  type Handle,
  type Provider,
  UpstreamError,
  type UpstreamTimes,
} from '../../../src/providers/provider.ts';
import { sending } from '../../support/sending.ts';
import {
  answered,
  awaited,
  closedLater,
  fetched,
  finished,
  handleOf,
  jobOf,
  lastAnswer,
  lostSubmission,
  type ProviderFixture,
  requestsDuring,
  required,
  type Suite,
  settled,
  signal,
  started,
  unknownHandle,
} from './fixture.ts';

/** How far ahead the clocks of upstreams are, so that their own times are told from this gateway's. Milliseconds. */
const AHEAD_MS = 600_000;

/** Sets the upstream's clock ahead, if it has one of its own, and returns by how much. */
function setAhead({ network }: ProviderFixture): number {
  network?.skewClock?.(AHEAD_MS);
  return network?.skewClock ? AHEAD_MS : 0;
}

const timesOf = (answer: Answer): UpstreamTimes =>
  'result' in answer || 'startedAt' in answer ? answer : {};

/** Expects a time of the upstream between another one and now, by its own clock. Both may have been cut to whole seconds. */
async function expectBetween({ provider }: ProviderFixture, earliest: number, time: number): Promise<void> {
  const now = (await provider.upstreamTime?.()) ?? Date.now();
  expect(time).toBeGreaterThan(earliest - 1000);
  expect(time).toBeLessThan(now + 1000);
}

type Optional<T> = { [K in keyof T]-?: undefined extends T[K] ? K : never }[keyof T];

/** The ability that each optional method of an adapter stands for. */
const METHODS: Readonly<
  Record<
    Optional<Omit<Provider, 'chooseJobs' | 'nobodysId' | 'findVersion'>>,
    (abilities: Abilities) => boolean
  >
> = {
  pollMany: ({ batchPolling }) => batchPolling,
  resume: ({ resumeJob }) => resumeJob,
  cancel: ({ cancel }) => cancel !== 'none',
  find: ({ find }) => find !== 'none',
  discard: ({ discard }) => discard,
  verifyCallback: ({ callbacks }) => callbacks,
  onHint: ({ hints }) => hints,
  upstreamTime: ({ upstreamTime }) => upstreamTime,
  reach: ({ fleet }) => fleet,
};

/** A test of an ability that this adapter has. Without the ability the test does not exist, so that none is skipped. */
const itWhere = (declared: boolean): typeof it | (() => void) => (declared ? it : () => undefined);

/** Long enough for an upstream to have handled a submission. Milliseconds. */
const LONG_AGO_MS = 10 * 60_000;

/** Tests that each declared ability works and that the adapter has no other. */
export function describeAbilities(suite: Suite): void {
  const { name, abilities, open, local } = suite;

  describe(`${name}: its abilities`, () => {
    it('are those that its definition declares', async () => {
      const { provider } = await open();
      const declared = Object.entries(METHODS).map(([method, has]) => [method, has(abilities)]);
      const present = Object.keys(METHODS).map((method) => [
        method,
        Reflect.get(provider, method) !== undefined,
      ]);
      expect(Object.fromEntries(present)).toEqual(Object.fromEntries(declared));
    });

    itWhere(abilities.fleet)('tell at once whether the server answers', async () => {
      const { provider, network } = await open();
      await provider.reach?.();
      network?.breakUpstream();
      await expect(provider.reach?.()).rejects.toMatchObject({ reason: 'upstream_unavailable' });
    });

    it(`${abilities.progress ? 'include' : 'do not include'} a percentage for running jobs`, async () => {
      const fixture = await open();
      fixture.holdNextJob();
      const { handle } = await started(fixture);
      const answer = await answered(fixture, handle, ({ state }) => state === 'in_progress');
      expect('progress' in answer && typeof answer.progress === 'number').toBe(abilities.progress);
    });

    itWhere(abilities.queuePosition)('include the place of a waiting job in the queue', async () => {
      const fixture = await open();
      required(fixture.queueNextJob, 'queueNextJob')();
      const { handle } = await started(fixture);
      const answer = await answered(fixture, handle, ({ state }) => state === 'queued');
      expect(answer).toMatchObject({ queuePosition: 0 });
    });

    it(`${abilities.startedAt ? 'include' : 'do not include'} when work on a running job began`, async () => {
      const fixture = await open();
      const submittedAt = Date.now() + setAhead(fixture);
      fixture.holdNextJob();
      const { handle } = await started(fixture);
      const { startedAt } = timesOf(await answered(fixture, handle, ({ state }) => state === 'in_progress'));
      expect(startedAt !== undefined).toBe(abilities.startedAt);
      if (startedAt !== undefined) await expectBetween(fixture, submittedAt, startedAt);
    });

    it(`${abilities.endedAt ? 'include' : 'do not include'} when a job that succeeded was over`, async () => {
      const fixture = await open();
      const submittedAt = Date.now() + setAhead(fixture);
      const { handle } = await started(fixture);
      const { startedAt, endedAt } = timesOf(await lastAnswer(fixture, handle));
      expect(endedAt !== undefined).toBe(abilities.endedAt);
      if (endedAt !== undefined) await expectBetween(fixture, startedAt ?? submittedAt, endedAt);
    });

    itWhere(abilities.pollAfter)('include when the upstream wants to be polled again', async () => {
      const fixture = await open();
      fixture.holdNextJob();
      const { handle } = await started(fixture);
      await answered(fixture, handle, ({ state }) => state === 'in_progress');
      required(fixture.network?.pollLater, 'pollLater')(7);
      expect(await fixture.provider.poll(handle, signal())).toMatchObject({ pollAfterMs: 7000 });
    });

    it(`${abilities.resumeDownload ? 'include' : 'do not include'} downloads from any offset`, async () => {
      const fixture = await open();
      const { handle, result } = await finished(fixture);
      const { bytes } = await fetched(fixture.provider, handle, result, 0);
      const half = Math.floor(bytes.length / 2);
      const { offset } = await fetched(fixture.provider, handle, result, half);
      expect(offset).toBe(abilities.resumeDownload ? half : 0);
    });

    itWhere(abilities.batchPolling)('include asking about many jobs at once', async () => {
      const fixture = await open();
      const pollMany = required(fixture.provider.pollMany, 'pollMany');
      const one = await finished(fixture);
      const other = await finished(fixture);
      const stranger = unknownHandle();
      const answers = await pollMany([one.handle, stranger, other.handle], signal());
      expect(answers.get(one.handle.upstreamId)?.state).toBe('succeeded');
      expect(answers.get(other.handle.upstreamId)?.state).toBe('succeeded');
      expect([undefined, 'missing']).toContain(answers.get(stranger.upstreamId)?.state);
    });

    itWhere(abilities.batchPolling && !local)('ask about many in fewer requests than jobs', async () => {
      const fixture = await open();
      const pollMany = required(fixture.provider.pollMany, 'pollMany');
      const handles: Handle[] = [];
      for (let jobs = 0; jobs < 6; jobs++) {
        fixture.holdNextJob();
        handles.push((await started(fixture)).handle);
      }
      let answers: Awaited<ReturnType<typeof pollMany>> = new Map();
      const requests = await requestsDuring(async () => {
        answers = await pollMany(handles, signal());
      });
      expect(answers.size).toBe(handles.length);
      expect(requests).toBeLessThan(handles.length);
    });

    itWhere(abilities.discard)('include deleting a job upstream, more than once', async () => {
      const fixture = await open();
      const discard = required(fixture.provider.discard, 'discard');
      const { handle } = await finished(fixture);
      await discard(handle, signal());
      expect(await fixture.provider.poll(handle, signal())).toMatchObject({ state: 'missing' });
      await settled(discard(handle, signal()));
    });

    itWhere(abilities.callbacks)(
      'include callbacks that name their job and prove where they are from',
      async () => {
        const fixture = await open();
        const verify = required(fixture.provider.verifyCallback, 'verifyCallback');
        const callbackAbout = required(fixture.callbackAbout, 'callbackAbout');
        const { handle } = await finished(fixture);
        const callback = await callbackAbout(handle);
        expect(await verify(callback)).toEqual([handle.upstreamId]);
        await expect(verify({ ...callback, headers: {}, query: {} })).rejects.toThrow();
      },
    );

    itWhere(abilities.hints)('include a hint when a job is over', async () => {
      const fixture = await open();
      const onHint = required(fixture.provider.onHint, 'onHint');
      const hinted: string[] = [];
      const stop = onHint((upstreamId) => hinted.push(upstreamId));
      const { handle } = await finished(fixture);
      expect(hinted).toContain(handle.upstreamId);
      stop();
      const before = hinted.length;
      await finished(fixture);
      expect(hinted.length).toBe(before);
    });

    itWhere(abilities.resumeJob)("include running another node's job again, to the same bytes", async () => {
      const fixture = await open();
      const { handle, job, result } = await finished(fixture);
      const { bytes } = await fetched(fixture.provider, handle, result, 0);
      const other = closedLater(await required(fixture.elsewhere, 'elsewhere')());
      expect(await other.poll(handle, signal())).toMatchObject({ state: 'missing' });
      await required(other.resume, 'resume')(job);
      const again = await awaited({ ...fixture, provider: other }, handle);
      expect((await fetched(other, handle, again, 0)).bytes.equals(bytes)).toBe(true);
    });

    itWhere(abilities.upstreamTime)(
      "include the upstream's clock, before anything else was asked",
      async () => {
        const fixture = await open();
        const upstreamTime = required(fixture.provider.upstreamTime, 'upstreamTime');
        const aheadMs = 600_000;
        required(fixture.network?.skewClock, 'skewClock')(aheadMs);
        const before = Date.now() + aheadMs;
        const time = required(await upstreamTime(), 'upstreamTime()');
        // A `Date` has whole seconds.
        expect(time).toBeGreaterThan(before - 1000);
        expect(time).toBeLessThanOrEqual(Date.now() + aheadMs);
      },
    );
  });

  if (abilities.find !== 'none') describeFinding(suite);
  if (abilities.cancel !== 'none') describeCancelling(suite);
}

function describeFinding({ name, abilities, open, local }: Suite): void {
  describe(`${name}: a lost submission`, () => {
    const look = (provider: Provider, ...lost: Parameters<typeof lostSubmission>) =>
      required(provider.find, 'find')(lostSubmission(...lost), signal());

    async function lookAfterLoss() {
      const fixture = await open();
      const job = jobOf(fixture);
      if (!local) required(fixture.network, 'network').loseNextAnswer();
      await settled(fixture.provider.submit(job, sending(signal())));
      const next = closedLater(await fixture.reopen());
      return { fixture, job, next };
    }

    itWhere(abilities.find === 'absent')('is never said to be absent', async () => {
      const { job, next } = await lookAfterLoss();
      expect(await look(next, job, [], LONG_AGO_MS)).toMatchObject({ found: false, certainty: 'unknown' });
    });

    itWhere(abilities.find !== 'absent')('is found by the next process', async () => {
      const { fixture, job, next } = await lookAfterLoss();
      const found = await look(next, job);
      if (!found.found) throw new Error('not found');
      await awaited({ ...fixture, provider: next }, handleOf(job, found.upstreamId));
    });

    it('is not taken for another job with the same prompt', async () => {
      const fixture = await open();
      const { upstreamId } = (await finished(fixture)).handle;
      expect(await look(fixture.provider, jobOf(fixture), [upstreamId])).toMatchObject({ found: false });
    });

    it(`that never arrived is ${abilities.find === 'unique' ? 'never certainly absent' : 'absent after a while'}`, async () => {
      const fixture = await open();
      const { handle, job } = await finished(fixture);
      const { upstreamId } = handle;
      // Another process than the one that made the job: what it has seen of the upstream is stored.
      const next = closedLater(await fixture.reopen());
      expect(await look(next, jobOf(fixture), [upstreamId], LONG_AGO_MS, [{ ...job, upstreamId }])).toEqual(
        expect.objectContaining({
          found: false,
          certainty: abilities.find === 'unique' ? 'unknown' : 'absent',
        }),
      );
    });
  });
}

function describeCancelling({ name, abilities, open }: Suite): void {
  describe(`${name}: cancelling`, () => {
    const cancel = (provider: Provider, ...given: Parameters<NonNullable<Provider['cancel']>>) =>
      required(provider.cancel, 'cancel').call(provider, ...given);

    it(`stops a job that ${abilities.cancel === 'any' ? 'runs' : 'waits'}, now or by a later answer`, async () => {
      const fixture = await open();
      if (abilities.cancel === 'any') fixture.holdNextJob();
      else required(fixture.queueNextJob, 'queueNextJob')();
      const { handle } = await started(fixture);
      const state = abilities.cancel === 'any' ? 'in_progress' : 'queued';
      await answered(fixture, handle, (answer) => answer.state === state);
      expect(['cancelled', 'pending']).toContain(await cancel(fixture.provider, handle, signal()));
      const answer = await lastAnswer(fixture, handle);
      expect(answer.state === 'missing' || (answer.state === 'failed' && answer.reason === 'cancelled')).toBe(
        true,
      );
    });

    itWhere(abilities.cancel === 'queued')('is too late for a job that runs, which goes on', async () => {
      const fixture = await open();
      fixture.holdNextJob();
      const { handle } = await started(fixture);
      await answered(fixture, handle, ({ state }) => state === 'in_progress');
      expect(await cancel(fixture.provider, handle, signal())).toBe('too_late');
      expect(await fixture.provider.poll(handle, signal())).toMatchObject({ state: 'in_progress' });
    });

    it('is too late for a job that is over, and the job keeps its video', async () => {
      const fixture = await open();
      const { handle, result } = await finished(fixture);
      expect(await cancel(fixture.provider, handle, signal())).toBe('too_late');
      expect((await fixture.provider.poll(handle, signal())).state).toBe('succeeded');
      expect((await fetched(fixture.provider, handle, result, 0)).bytes.length).toBeGreaterThan(0);
    });

    it('never reports an unknown job as stopped', async () => {
      const fixture = await open();
      const outcome = await settled(cancel(fixture.provider, unknownHandle(), signal()));
      if (!(outcome instanceof UpstreamError)) expect(outcome).toBe('too_late');
    });
  });
}
