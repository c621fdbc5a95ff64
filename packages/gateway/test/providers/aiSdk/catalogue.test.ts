import { describe, expect, it } from 'vitest';
import type { Model } from '../../../src/catalogue/model.ts';
import { upstreamModelOf, upstreamRequest } from '../../../src/catalogue/upstream.ts';
import { PACKAGES } from '../../../src/providers/aiSdk/packages.ts';
import type { VideoRequest } from '../../../src/tasks/request.ts';
import { asStored, builtIn, check } from '../../catalogue/builtIn.ts';
import { sending } from '../../support/sending.ts';
import { NAMES, type Service, soon, starting, startWorld } from './world.ts';

const IMAGE = 'https://example.com/a.png';

const MODELS = builtIn
  .list()
  .flatMap((model) =>
    NAMES.filter((name) => name === model.provider).map((name) => [model.id, name] as const),
  );

/** Submissions that together use every parameter that a model takes. */
function bodies({ id, parameters: takes }: Model): Record<string, unknown>[] {
  const inputs = [
    {},
    ...(takes.image ? [{ image: IMAGE }] : []),
    ...(takes.lastFrame ? [{ image: IMAGE, last_frame: IMAGE }] : []),
    ...(takes.referenceImages ? [{ reference_images: [IMAGE, IMAGE] }] : []),
  ];
  const rest = {
    ...(takes.seed ? { seed: takes.seed.min } : {}),
    ...(takes.negativePrompt ? { negative_prompt: 'rain' } : {}),
    ...(takes.watermark ? { watermark: true } : {}),
    ...(takes.cameraFixed ? { camera_fixed: true } : {}),
  };
  const { duration } = takes;
  const seconds = 'allowed' in duration ? duration.allowed : [duration.min, duration.max];
  const shapes = [
    ...takes.resolution.allowed.map((resolution) => ({ resolution })),
    ...takes.aspectRatio.allowed.map((aspect_ratio) => ({ aspect_ratio })),
    ...seconds.map((one) => ({ duration: one })),
    ...(takes.generateAudio?.allowed ?? []).map((generate_audio) => ({ generate_audio })),
  ];
  return inputs.flatMap((input) => shapes.map((shape) => ({ model: id, ...rest, ...shape, ...input })));
}

function requestOf(body: Record<string, unknown>): VideoRequest | undefined {
  try {
    return asStored(check(body).draft);
  } catch {
    // The catalogue refuses two parameters that exclude each other, so they are never sent.
    return undefined;
  }
}

describe('the catalogue promises no parameter that a package drops', () => {
  it.each(MODELS)('%s at %s', async (id, name) => {
    const model = builtIn.get(id);
    if (!model) throw new Error(`no model ${id}`);
    const world = await startWorld(name);
    const requests = bodies(model).flatMap((body) => requestOf(body) ?? []);
    expect(requests.length).toBeGreaterThan(3);
    for (const request of requests) {
      const job = starting(name, {
        ...upstreamRequest(model, request),
        upstreamModel: upstreamModelOf(model, request),
      });
      await world.provider.submit(job, sending(soon()));
    }
    expect(world.log.filter((line) => line.includes('upstream.parameter_dropped'))).toEqual([]);
    // The simulator of fal accepts everything and reports mistakes later.
    expect(world.simulators.ledger.jobs().filter(({ prompt }) => prompt.includes('[invalid]'))).toEqual([]);
  });

  it('has models of every package in the table', () => {
    const providers = new Set(builtIn.list().map(({ provider }) => provider));
    for (const { id } of PACKAGES) expect(providers).toContain(id satisfies string as Service);
  });
});
