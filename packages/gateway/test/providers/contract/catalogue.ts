import { Readable } from 'node:stream';
import { createCanvas } from '@napi-rs/canvas';
import { describe, expect, it } from 'vitest';
import { kindOf } from '../../../src/catalogue/references.ts';
import { upstreamModelOf, upstreamRequest } from '../../../src/catalogue/upstream.ts';
import { requestsOf } from '../../catalogue/bodies.ts';
import { sending } from '../../support/sending.ts';
import { jobOf, required, type Suite, signal } from './fixture.ts';

/** Tests that the upstream takes everything that the catalogue promises. What the upstream alone knew, a caller would learn too late. */
export function describeCatalogue({ name, open, models }: Suite): void {
  const served = required(models, 'models').map(({ model, service }) => [model.id, model, service] as const);

  describe.runIf(served.length > 0)(`${name}: the catalogue`, () => {
    it.each(served)('promises nothing of %s that the upstream refuses', async (_id, model, service) => {
      const fixture = await open();
      // A remix or an extension needs a video that was made before.
      const requests = requestsOf(model).filter(({ videoUrl }) => videoUrl === undefined);
      expect(requests.length).toBeGreaterThan(0);
      for (const request of requests) {
        const kinds = request.references?.map((one) => kindOf(model.parameters.references, one));
        // As `checkMeasuredReferences` has it.
        const isEdit = kinds?.some((kind) => kind?.setsDuration);
        const sent = upstreamRequest(model, { ...request, ...(isEdit && { autoDuration: true }) });
        const image = pngOf(sent.width, sent.height);
        const job = {
          ...jobOf(fixture),
          upstreamModel: upstreamModelOf(model, request, service),
          request: sent,
          openInput: async () => Readable.from([image]),
        };
        await fixture.provider.submit(job, sending(signal())).catch((error: unknown) => {
          throw new Error(`refused: ${JSON.stringify(sent)}`, { cause: error });
        });
      }
    });
  });
}

const pngs = new Map<string, Buffer>();

/** Some upstreams want images that are as large as the video. */
function pngOf(width: number, height: number): Buffer {
  const size = `${width}x${height}`;
  const png = pngs.get(size) ?? createCanvas(width, height).toBuffer('image/png');
  pngs.set(size, png);
  return png;
}
