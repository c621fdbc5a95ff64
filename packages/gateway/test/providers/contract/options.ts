import { describe, expect, it } from 'vitest';
import type { Job } from '../../../src/providers/provider.ts';
import { sending } from '../../support/sending.ts';
import { bodiesDuring, jobOf, type Suite, settled, signal } from './fixture.ts';

/** A value that no adapter sends by itself. */
const FROM_CALLER = 'said-by-the-caller';

/** Tests that an adapter passes on each member of `provider_options`, or names it as one that it does not. */
export function describeOptions({ name, open }: Suite): void {
  describe(`${name}: provider_options`, () => {
    it('that name what the adapter sends itself are refused or sent, and never dropped', async () => {
      const fixture = await open();
      const [own = ''] = await bodiesDuring(() => fixture.provider.submit(jobOf(fixture), sending(signal())));
      const paths = pathsIn(own);
      expect(paths.length).toBeGreaterThan(2);
      for (const path of paths) {
        const job = withOption(jobOf(fixture), path);
        const refused = await fixture.provider.refusedOptions(job.request, job.upstreamModel);
        const sent = await bodiesDuring(() => settled(fixture.provider.submit(job, sending(signal()))));
        // A package may refuse a value by itself, before anything is sent. One that it drops has not changed anything else.
        const isRefused = refused.length > 0 || sent.length === 0;
        expect(isRefused || sent.every((body) => body.includes(FROM_CALLER)), path).toBe(true);
      }
    });

    it('that the upstream may know, but not the gateway, are sent or refused, and never dropped', async () => {
      const fixture = await open();
      const job = withOption(jobOf(fixture), 'an_option_of_tomorrow');
      const refused = await fixture.provider.refusedOptions(job.request, job.upstreamModel);
      const sent = await bodiesDuring(() => settled(fixture.provider.submit(job, sending(signal()))));
      expect(refused.length > 0 || sent.every((body) => body.includes(FROM_CALLER))).toBe(true);
    });

    it('are none of these if there are none', async () => {
      const fixture = await open();
      const { request, upstreamModel } = jobOf(fixture);
      expect(await fixture.provider.refusedOptions(request, upstreamModel)).toEqual([]);
      expect(
        await fixture.provider.refusedOptions({ ...request, providerOptions: {} }, upstreamModel),
      ).toEqual([]);
    });
  });
}

/** The job with this option, as the only one. */
function withOption(job: Job, path: string): Job {
  const option = path
    .split('.')
    .reduceRight<unknown>((inner, member) => ({ [member]: inner }), FROM_CALLER) as Record<string, unknown>;
  return { ...job, request: { ...job.request, providerOptions: option } };
}

/** The paths of the values in a body: of its fields if it is a form, and of its members but those in lists if it is JSON. */
function pathsIn(body: string): string[] {
  if (!body.startsWith('{'))
    return [...body.matchAll(/form-data; name="(\w+)"/g)].map(([, field = '']) => field);
  const walk = (value: unknown, path: string): string[] =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.entries(value).flatMap(([member, inner]) =>
          walk(inner, path === '' ? member : `${path}.${member}`),
        )
      : [path];
  return walk(JSON.parse(body), '');
}
