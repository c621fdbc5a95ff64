import { describe, expect, it } from 'vitest';
import { type Abilities, type Provider, SendRefused } from '../../../src/providers/provider.ts';
import type { UpstreamResult } from '../../../src/tasks/task.ts';
import { readAll } from '../../support/http/readAll.ts';
import { sending } from '../../support/sending.ts';
import {
  finished,
  jobOf,
  lostSubmission,
  type ProviderFixture,
  requestsDuring,
  required,
  type Suite,
  settled,
  signal,
} from './fixture.ts';

type Finished = Awaited<ReturnType<typeof finished>>;
type Call = (provider: Provider, fixture: ProviderFixture, job: Finished) => Promise<unknown>;

/** Every call of an adapter that sends something upstream. */
const CALLS: Readonly<Record<string, { has?(abilities: Abilities): boolean; readonly call: Call }>> = {
  submit: { call: (provider, fixture) => provider.submit(jobOf(fixture), sending(signal())) },
  poll: { call: (provider, _fixture, { handle }) => provider.poll(handle, signal()) },
  download: { call: (provider, _fixture, { handle, result }) => downloaded(provider, handle, result) },
  'poll in batches': {
    has: ({ batchPolling }) => batchPolling,
    call: (provider, _fixture, { handle }) => required(provider.pollMany, 'pollMany')([handle], signal()),
  },
  cancel: {
    has: ({ cancel }) => cancel !== 'none',
    call: (provider, _fixture, { handle }) => required(provider.cancel, 'cancel')(handle, signal()),
  },
  find: {
    has: ({ find }) => find !== 'none',
    call: (provider, fixture) => required(provider.find, 'find')(lostSubmission(jobOf(fixture)), signal()),
  },
  'delete upstream': {
    has: ({ discard }) => discard,
    call: (provider, _fixture, { handle }) => required(provider.discard, 'discard')(handle, signal()),
  },
};

async function downloaded(provider: Provider, handle: Finished['handle'], result: UpstreamResult) {
  const { stream } = await provider.open(handle, result, 0, signal());
  return readAll(stream);
}

/** Tests that an adapter sends nothing upstream without the lease, because another node may drive the tasks by now. */
export function describeLease({ name, abilities, open }: Suite): void {
  describe(`${name}: a node without its lease`, () => {
    for (const [what, { has = () => true, call }] of Object.entries(CALLS)) {
      if (!has(abilities)) continue;
      it(`sends nothing to ${what}, and does so once it has one again`, async () => {
        let hasLease = true;
        const fixture = await open(() => hasLease);
        const job = await finished(fixture);
        const jobs = await fixture.jobsMade();
        hasLease = false;
        let outcome: unknown;
        const unsent = await requestsDuring(async () => {
          outcome = await settled(call(fixture.provider, fixture, job));
        });
        expect(outcome).toBeInstanceOf(SendRefused);
        expect(unsent).toBe(0);
        expect(await fixture.jobsMade()).toBe(jobs);
        hasLease = true;
        expect(await requestsDuring(() => settled(call(fixture.provider, fixture, job)))).toBeGreaterThan(0);
      });
    }

    it('sends nothing over connections that are not open yet', async () => {
      let hasLease = true;
      const fixture = await open(() => hasLease);
      const { handle } = await finished(fixture);
      const next = await fixture.reopen();
      hasLease = false;
      const unsent = await requestsDuring(async () => {
        expect(await settled(next.poll(handle, signal()))).toBeInstanceOf(SendRefused);
        expect(await settled(next.submit(jobOf(fixture), sending(signal())))).toBeInstanceOf(SendRefused);
      });
      expect(unsent).toBe(0);
      await next.close();
    });
  });
}
