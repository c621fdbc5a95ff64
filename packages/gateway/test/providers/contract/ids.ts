import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Handle } from '../../../src/providers/provider.ts';
import {
  fetched,
  finished,
  type ProviderFixture,
  required,
  type Suite,
  settled,
  signal,
  started,
} from './fixture.ts';

/**
 * Any id that an upstream may give: what it means, and how it is made, is the upstream's own affair. Without path segments that no URL can
 * carry (`.` and `..` are removed by every URL parser, escaped or not: WHATWG URL Standard, "double-dot URL path segment").
 */
const anyId = fc
  .tuple(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
    fc.constantFrom('', 'a/b', '?x=1&y#z', '%2F%', 'example.com:my-proj/', ' "<>\\^`{|}', '{"a":1}', 'é漢🙂'),
    fc.constantFrom(1, 1, 1, 40),
  )
  .map(([text, odd, times]) => `${text}${odd}`.repeat(times))
  .filter((id) => id.isWellFormed() && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(id) && id.trim() === id)
  .filter((id) => !id.split('/').some((segment) => ['', '.', '..'].includes(segment)));

/** Tests that the id in the handle is the only one that the later calls about a job use, whatever that id is. */
export function describeIds({ name, abilities, open }: Suite): void {
  const renameIds = ({ network }: ProviderFixture) => required(network?.renameIds, 'renameIds')();

  describe(`${name}: the id of a job`, () => {
    it('is the one that its creation was answered with, whatever later answers call the job', async () => {
      const fixture = await open();
      renameIds(fixture);
      const { handle, result } = await finished(fixture);
      const { bytes } = await fetched(fixture.provider, handle, result, 0);
      expect(bytes.length).toBeGreaterThan(0);
      await fixture.provider.discard?.(handle, signal());
      if (fixture.provider.discard) {
        expect(await fixture.provider.poll(handle, signal())).toMatchObject({ state: 'missing' });
      }
    });

    if (abilities.cancel !== 'none') {
      it('is the one that a job is cancelled by, whatever later answers call it', async () => {
        const fixture = await open();
        renameIds(fixture);
        const { handle } = await heldJob(fixture);
        expect(['cancelled', 'pending']).toContain(await fixture.provider.cancel?.(handle, signal()));
      });
    }

    if (abilities.batchPolling) {
      it('is the one that batched polls answer about, and never one that only an answer names', async () => {
        const fixture = await open();
        const one = await started(fixture);
        const other = await started(fixture);
        renameIds(fixture);
        const handles: readonly Handle[] = [one.handle, other.handle];
        const answers = await required(fixture.provider.pollMany, 'pollMany')(handles, signal());
        // Those that the list does not show by their ids are left out, and polled alone.
        for (const { handle } of [one, other]) {
          const answer = answers.get(handle.upstreamId) ?? (await fixture.provider.poll(handle, signal()));
          expect(['queued', 'in_progress', 'succeeded']).toContain(answer.state);
        }
      });
    }

    it('may be any text, and is never a reason to lose the job', async () => {
      const fixture = await open();
      const used = new Set<string>();
      await fc.assert(
        fc.asyncProperty(anyId, async (id) => {
          // No upstream gives an id twice, while fast-check draws some texts again (`valueOf`, `__proto__`).
          fc.pre(!used.has(id));
          used.add(id);
          required(fixture.network?.giveId, 'giveId')(id);
          const { handle, result } = await finished(fixture);
          const forms = [id, JSON.stringify(id).slice(1, -1), encodeURIComponent(id)];
          expect(forms.some((form) => handle.upstreamId.includes(form))).toBe(true);
          const { bytes } = await fetched(fixture.provider, handle, result, 0);
          expect(bytes.length).toBeGreaterThan(0);
          await settled(Promise.resolve(fixture.provider.discard?.(handle, signal())));
        }),
        { numRuns: 12 },
      );
    });
  });

  async function heldJob(fixture: ProviderFixture) {
    if (abilities.cancel === 'any') fixture.holdNextJob();
    else required(fixture.queueNextJob, 'queueNextJob')();
    const job = await started(fixture);
    await fixture.provider.poll(job.handle, signal());
    return job;
  }
}
