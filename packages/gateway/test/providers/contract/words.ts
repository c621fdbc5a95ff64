import { describe, expect, it } from 'vitest';
import { UpstreamError } from '../../../src/providers/provider.ts';
import { REASONS } from '../../../src/tasks/reasons.ts';
import { sending } from '../../support/sending.ts';
import {
  expectUpstreamError,
  jobOf,
  lastAnswer,
  type ProviderFixture,
  required,
  type Suite,
  settled,
  signal,
  started,
} from './fixture.ts';

/** What a service, or a proxy in front of it, may say about an error. */
const WORDS: Readonly<Record<string, string>> = {
  'a page': `<!DOCTYPE html><html><head><title>Bad</title></head><body onload="alert(1)">${'very '.repeat(2000)}</body></html>`,
  'markup between words':
    'The <b onclick="x()">duration</b> must be 4 or 8.\n\nSee <a href="https://internal.example/x?token=abc">this</a> or https://internal.example/y',
  'many words': 'No. '.repeat(5000),
};

/** Tests what of an upstream's words reaches a caller, and what its operator learns. */
export function describeWords({ name, open }: Suite): void {
  const networkOf = (fixture: ProviderFixture) => required(fixture.network, 'network');
  const submitted = (fixture: ProviderFixture) =>
    settled(fixture.provider.submit(jobOf(fixture), sending(signal())));

  describe(`${name}: the words of an upstream`, () => {
    it.each(Object.keys(WORDS))(
      'are told to a caller without markup and links, and are short: %s',
      async (which) => {
        const words = WORDS[which] ?? '';
        const fixture = await open();
        required(networkOf(fixture).refuseWith, 'refuseWith')(400, words);
        const refusal = await submitted(fixture);
        expectUpstreamError(refusal);
        if (refusal instanceof UpstreamError) expectTellable(refusal.message);

        const other = await open();
        required(networkOf(other).sayInErrors, 'sayInErrors')(words);
        other.failNextJob();
        const answer = await lastAnswer(other, (await started(other)).handle);
        if (answer.state !== 'failed') throw new Error(`the job ${answer.state}`);
        expectTellable(answer.message);
      },
    );

    it('are kept for the operator if a job has failed with plain text instead of an error', async () => {
      const fixture = await open();
      required(networkOf(fixture).flattenErrors, 'flattenErrors')('worker 7 ran out of memory');
      fixture.failNextJob();
      const answer = await lastAnswer(fixture, (await started(fixture)).handle);
      if (answer.state !== 'failed') throw new Error(`the job ${answer.state}`);
      expect(answer.detail).toContain('worker 7 ran out of memory');
    });
  });

  describe(`${name}: an address of another server`, () => {
    it.each([400, 404, 405])(
      "is the operator's to mend if a submission is answered with a %i and a page",
      async (status) => {
        const fixture = await open();
        required(networkOf(fixture).answerWithPage, 'answerWithPage')('submit', status);
        const refusal = await submitted(fixture);
        expectUpstreamError(refusal);
        if (!(refusal instanceof UpstreamError)) return;
        expect(REASONS[refusal.reason].code).toBe(502);
        expect(refusal).toMatchObject({ created: 'no', detail: expect.stringContaining('base_url') });
        expectTellable(refusal.message);
        expect(await fixture.jobsMade()).toBe(0);
      },
    );

    it('says nothing about a job that is polled there', async () => {
      const fixture = await open();
      const { handle } = await started(fixture);
      required(networkOf(fixture).answerWithPage, 'answerWithPage')('poll', 404);
      const outcome = await settled(fixture.provider.poll(handle, signal()));
      expectUpstreamError(outcome);
      expect(outcome).toMatchObject({ detail: expect.stringContaining('base_url') });
    });
  });
}

function expectTellable(message: string): void {
  expect(message).not.toBe('');
  expect(message.length).toBeLessThanOrEqual(300);
  expect(message).not.toMatch(/[<>\n]|:\/\//);
}
