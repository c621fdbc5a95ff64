import { Readable } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Provider, SendRefused } from '../../src/providers/provider.ts';
import { REASONS } from '../../src/tasks/reasons.ts';
import { readAll } from '../support/http/readAll.ts';
import { openHttpWhile } from '../support/openHttp.ts';
import { sending } from '../support/sending.ts';
import { describeAbilities } from './contract/abilities.ts';
import { describeCatalogue } from './contract/catalogue.ts';
import {
  awaited,
  closedLater,
  expectUpstreamError,
  fetched,
  finished,
  jobOf,
  lastAnswer,
  lostSubmission,
  type ProviderContract,
  required,
  type Suite,
  settled,
  signal,
  started,
  unknownHandle,
} from './contract/fixture.ts';
import { describeIds } from './contract/ids.ts';
import { describeLease } from './contract/lease.ts';
import { describeOptions } from './contract/options.ts';
import { describeReferences } from './contract/references.ts';
import { describeWords } from './contract/words.ts';

const PIXELS = Buffer.from('as good as an image here');
const AN_IMAGE = {
  mediaId: 'image',
  contentType: 'image/png',
  bytes: PIXELS.length,
  width: 1280,
  height: 720,
  // Some upstreams take no bytes.
  sourceUrl: 'https://example.com/boat.png',
};

/** What the engine expects of every provider. */
export function describeProviderContract(contract: ProviderContract): void {
  const abilities = required(contract.abilities, 'abilities');
  const suite: Suite = {
    ...contract,
    abilities,
    async open(hasLease) {
      const fixture = await contract.create(openHttpWhile(hasLease));
      onTestFinished(() => fixture.end());
      return fixture;
    },
  };
  describeJobs(suite);
  describeAbilities(suite);
  describeCondition(suite);
  if (!suite.local && !suite.inMemory) {
    describeLease(suite);
    describeIds(suite);
    describeWords(suite);
    describeOptions(suite);
    describeReferences(suite);
    describeCatalogue(suite);
  }
  if (!suite.local) describeTrouble(suite);
  describeEnd(suite);
}

function describeJobs({ name, startTwice, open }: Suite): void {
  describe(`${name}: a job`, () => {
    it('is started, polled and downloaded whole', async () => {
      const fixture = await open();
      const { handle, result } = await finished(fixture);
      const { bytes, length } = await fetched(fixture.provider, handle, result, 0);
      expect(bytes.length).toBeGreaterThan(0);
      expect(length === undefined || length === bytes.length).toBe(true);
    });

    it('gives the same bytes each time, from any offset', async () => {
      const fixture = await open();
      const { handle, result } = await finished(fixture);
      const { bytes } = await fetched(fixture.provider, handle, result, 0);
      for (const offset of [0, 1, Math.floor(bytes.length / 2), bytes.length - 1, bytes.length]) {
        const part = await fetched(fixture.provider, handle, result, offset);
        // An upstream that ignores ranges says so by its offset.
        expect([0, offset]).toContain(part.offset);
        expect(part.bytes.equals(bytes.subarray(part.offset)), `from ${offset}`).toBe(true);
        expect(part.length === undefined || part.length === bytes.length, `length from ${offset}`).toBe(true);
      }
    });

    it('is known to the next process by its handle alone', async () => {
      const fixture = await open();
      const { handle } = await started(fixture);
      const next = closedLater(await fixture.reopen());
      const result = await awaited({ ...fixture, provider: next }, handle);
      const { bytes } = await fetched(next, handle, result, 0);
      expect(bytes.length).toBeGreaterThan(0);
    });

    it(`started twice with one key makes ${startTwice.replace('_', ' ')}`, async () => {
      const fixture = await open();
      const job = jobOf(fixture);
      const first = await fixture.provider.submit(job, sending(signal()));
      const second = await fixture.provider.submit(job, sending(signal()));
      expect(second.upstreamId === first.upstreamId).toBe(startTwice === 'one_job');
    });

    it('that fails upstream has a reason and a message for the caller', async () => {
      const fixture = await open();
      fixture.failNextJob();
      const { handle } = await started(fixture);
      const answer = await lastAnswer(fixture, handle);
      if (answer.state !== 'failed') throw new Error(`the job ${answer.state}`);
      expect(Object.keys(REASONS)).toContain(answer.reason);
      expect(answer.message.length).toBeGreaterThan(0);
    });

    it('that the upstream does not know is answered with missing, without an error', async () => {
      const { provider } = await open();
      expect(await provider.poll(unknownHandle(), signal())).toMatchObject({ state: 'missing' });
    });
  });
}

function describeCondition({ name, open }: Suite): void {
  describe(`${name}: a submission that this node may no longer make`, () => {
    it('is not sent, and can be made once the node may send again', async () => {
      const fixture = await open();
      const outcome = settled(
        fixture.provider.submit(jobOf(fixture), { signal: signal(), maySend: () => false }),
      );
      expectRefused(await outcome);
      expect(await fixture.jobsMade()).toBe(0);
      await started(fixture);
      expect(await fixture.jobsMade()).toBe(1);
    });

    it('is not sent if the node loses its lease while the submission waits for a token, a turn or a connection', async () => {
      const fixture = await open();
      await finished(fixture);
      const before = await fixture.jobsMade();
      const startAndForbid = (provider: Provider) => {
        let may = true;
        const outcome = settled(provider.submit(jobOf(fixture), { signal: signal(), maySend: () => may }));
        // Everything that needs no waiting has happened by now.
        may = false;
        return outcome;
      };
      expectRefused(await startAndForbid(fixture.provider));
      const unconnected = closedLater(await fixture.reopen());
      expectRefused(await startAndForbid(unconnected));
      expect(await fixture.jobsMade()).toBe(before);
    });

    it('is not sent if the node loses its lease while an image is read', async () => {
      const fixture = await open();
      let may = true;
      const job = jobOf(fixture);
      const outcome = settled(
        fixture.provider.submit(
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
}

function describeTrouble({ name, open }: Suite): void {
  const network = (fixture: Awaited<ReturnType<typeof open>>) => required(fixture.network, 'network');

  describe(`${name}: trouble`, () => {
    it('that loses the answer of a start leaves the outcome unknown', async () => {
      const fixture = await open();
      network(fixture).loseNextAnswer();
      const outcome = await settled(fixture.provider.submit(jobOf(fixture), sending(signal())));
      expectUpstreamError(outcome);
      expect(outcome).toMatchObject({ created: 'unknown' });
      expect(await fixture.jobsMade()).toBe(1);
    });

    it('with the connection throws an UpstreamError with a reason', async () => {
      const fixture = await open();
      const { handle, result } = await finished(fixture);
      const { provider } = fixture;
      network(fixture).breakUpstream();
      const calls = [
        provider.submit(jobOf(fixture), sending(signal())),
        provider.poll(handle, signal()),
        provider.pollMany?.([handle, unknownHandle()], signal()),
        provider.open(handle, result, 0, signal()),
        provider.cancel?.(handle, signal()),
        provider.find?.(lostSubmission(jobOf(fixture)), signal()),
      ].flatMap((call) => (call ? [settled(call)] : []));
      for (const outcome of await Promise.all(calls)) expectUpstreamError(outcome);
    });

    it('with an upstream that never answers ends when the caller aborts', async () => {
      const fixture = await open();
      const { handle, result } = await finished(fixture);
      network(fixture).stallUpstream();
      const { provider } = fixture;
      const givenUp = new AbortController();
      const start = settled(provider.submit(jobOf(fixture), sending(givenUp.signal)));
      const others = [
        settled(provider.poll(handle, givenUp.signal)),
        settled(provider.open(handle, result, 0, givenUp.signal)),
      ];
      givenUp.abort();
      const outcome = await start;
      expectUpstreamError(outcome);
      // The request was sent. Whether it arrived is unknown.
      expect(outcome).toMatchObject({ created: 'unknown' });
      for (const other of others) expectUpstreamError(await other);
    });
  });
}

function describeEnd({ name, open }: Suite): void {
  describe(`${name}: its callers and its end`, () => {
    it('settle a call whose caller has already aborted', async () => {
      const fixture = await open();
      const { handle, result } = await finished(fixture);
      const over = AbortSignal.abort();
      const outcome = await settled(fixture.provider.submit(jobOf(fixture), sending(over)));
      if (outcome instanceof Error) expectUpstreamError(outcome);
      await settled(fixture.provider.poll(handle, over));
      await settled(fixture.provider.open(handle, result, 0, over).then(({ stream }) => readAll(stream)));
    });

    it('close the provider, also twice and while a job runs', async () => {
      const fixture = await open();
      await started(fixture);
      await fixture.provider.close();
      await fixture.provider.close();
    });
  });
}

function expectRefused(outcome: unknown): void {
  expect(outcome).toBeInstanceOf(SendRefused);
  expect(outcome).toMatchObject({ created: 'no' });
}
