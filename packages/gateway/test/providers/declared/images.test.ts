import { Readable } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SHIPPED } from '../../../src/providers/declared/load.ts';
import { newId, newTaskId } from '../../../src/tasks/ids.ts';
import { builtIn } from '../../catalogue/builtIn.ts';
import { aRequest } from '../../support/builders.ts';
import { sending } from '../../support/sending.ts';
import { handleOf } from '../contract/fixture.ts';
import { openDeclared, SERVICES, simulatorOf } from './world.ts';

const IMAGE = {
  mediaId: 'pixels',
  contentType: 'image/png',
  bytes: 6,
  width: 8,
  height: 8,
  // Some upstreams take no bytes.
  sourceUrl: 'https://example.com/boat.png',
};

describe.each(SHIPPED.map((file) => [file.provider, file] as const))('the file of %s', (provider, file) => {
  it('makes a video from an image, which is uploaded before if the upstream wants that', async () => {
    const { model = '', request } = SERVICES[provider] ?? {};
    const simulators = await simulatorOf(provider);
    onTestFinished(() => simulators.close());
    const opened = await openDeclared(file, { env: simulators.environment });
    onTestFinished(() => opened.close());
    const job = {
      taskId: newTaskId(),
      attempt: 1,
      idempotencyKey: newId(),
      upstreamModel: model,
      request: aRequest({ ...request, image: IMAGE }),
      openInput: async () => Readable.from([Buffer.from('pixels')]),
    };
    const { upstreamId } = await opened.submit(job, sending());
    simulators.finishAll();
    const answer = await opened.poll(handleOf(job, upstreamId), AbortSignal.timeout(60_000));
    expect(answer.state).toBe('succeeded');
    expect(simulators.ledger.jobs()).toHaveLength(1);
  });
});

/** What an image of so many bytes has as a data URL. */
const encoded = (bytes = Number.POSITIVE_INFINITY) =>
  'data:image/webp;base64,'.length + Math.ceil(bytes / 3) * 4;

describe('the largest images that a file allows', () => {
  const limitsOf = (provider: string) =>
    builtIn
      .list()
      .filter((model) => model.provider === provider)
      .map(({ parameters: { image, lastFrame } }) =>
        [image, lastFrame].flatMap((taken) => (taken ? [taken.limits?.maxBytes] : [])),
      )
      // Others take references alone, of which none goes as bytes.
      .filter((frames) => frames.length > 0);

  it('are two that fit one body of Vidu, of 20 MB, with the longest prompt', () => {
    // https://platform.vidu.com/docs/image-to-video
    expect(limitsOf('vidu')).not.toEqual([]);
    for (const frames of limitsOf('vidu')) {
      const bytes = frames.reduce((sum: number, most) => sum + encoded(most), 5000 * 4);
      expect(bytes).toBeLessThan(20_000_000);
    }
  });

  it('are data URLs of at most 7 MB at LTX', () => {
    // https://docs.ltx.video/input-formats
    expect(limitsOf('ltx')).not.toEqual([]);
    for (const image of limitsOf('ltx').flat()) expect(encoded(image)).toBeLessThan(7_000_000);
  });
});
