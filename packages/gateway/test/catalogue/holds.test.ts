import { describe, expect, it } from 'vitest';
import { createCatalogue } from '../../src/catalogue/catalogue.ts';
import { checkMeasuredReferences } from '../../src/catalogue/measuredReferences.ts';
import type { Model, ReferencesSpec } from '../../src/catalogue/model.ts';
import { priceOf } from '../../src/catalogue/pricing.ts';
import { type ModelServer, serves } from '../../src/catalogue/serving.ts';
import { type Shape, shapesOf } from '../../src/catalogue/sizes.ts';
import { upstreamParameters } from '../../src/catalogue/upstream.ts';
import type { DraftReference } from '../../src/catalogue/validate/references.ts';
import type { CheckedRequest, DraftRequest, ModelLookup } from '../../src/catalogue/validate/request.ts';
import { SHIPPED_MODELS } from '../../src/providers/declared/load.ts';
import { rateMicros } from '../../src/tasks/money.ts';
import { RESOLUTIONS } from '../../src/tasks/request.ts';
import { asStored, builtIn } from './builtIn.ts';

const PNG = 'https://example.com/a.png';
const MODELS = builtIn.list();

/** An account at a service, before any service ended a model. */
const accountAt = ({ provider }: Model, service: string | undefined): ModelServer => ({
  providerId: provider,
  official: true,
  ...(service === undefined ? {} : { service }),
});
const before = (servers: readonly ModelServer[]) =>
  createCatalogue({ declared: SHIPPED_MODELS, servers, clock: { now: () => Date.parse('2026-08-01') } });

const servicesOf = ({ services }: Model): readonly (string | undefined)[] => {
  const named = Object.keys(services);
  return named.length > 0 ? named : [undefined];
};

/** The extreme values and the default of a duration. */
const durationsOf = ({ parameters: { duration } }: Model): readonly number[] =>
  duration.kind === 'numbers' ? duration.allowed : [duration.min, duration.default, duration.max];

/** As many references as a model takes of each type alone. */
const referencesOf = (spec: ReferencesSpec | undefined): (readonly DraftReference[])[] =>
  (spec?.takes ?? []).map(({ type, role, max }) =>
    Array.from({ length: max }, (_, index) => ({
      type,
      ...(role === undefined ? {} : { role }),
      field: `references[${index}]`,
      from: { given: PNG },
    })),
  );

/** The inputs that a model may be given: none, the frames, or as many references as it takes. */
function inputsOf({ parameters }: Model): Pick<DraftRequest, 'image' | 'lastFrame' | 'references'>[] {
  return [
    {},
    ...(parameters.image ? [{ image: PNG, ...(parameters.lastFrame ? { lastFrame: PNG } : {}) }] : []),
    ...referencesOf(parameters.references).map((references) => ({ references })),
  ];
}

/** Every combination of the parameters that the price depends on, and of the inputs. */
function* draftsOf(model: Model): Generator<DraftRequest> {
  const audio = model.parameters.generateAudio?.allowed ?? [undefined];
  for (const shape of shapesOf(model))
    for (const withAudio of audio)
      for (const duration of durationsOf(model))
        for (const inputs of inputsOf(model))
          yield {
            model: model.id,
            prompt: 'a boat',
            duration,
            ...shape,
            ...inputs,
            ...(withAudio === undefined ? {} : { generateAudio: withAudio }),
          };
}

/** The formats that an upstream may deliver: every ratio of the resolution, because an image may decide it, and of lower ones, with audio or not. */
function* deliveredFor(
  model: Model,
  sent: Shape,
): Generator<{ width: number; height: number; audio: boolean }> {
  const tier = ({ resolution }: Shape) => RESOLUTIONS.indexOf(resolution);
  // Sizes that are only accepted, and rounded to others, are never delivered.
  const made = shapesOf(model).map((shape) => upstreamParameters(model, { ...shape, duration: 5 }));
  for (const shape of made)
    if (tier(shape) <= tier(sent))
      for (const audio of [true, false]) yield { width: shape.width, height: shape.height, audio };
}

const hold = (model: Model, draft: DraftRequest, catalogue: ModelLookup): number =>
  priceOf(model, draft, catalogue.pricedAt(model)).holdMicros;

describe.each(MODELS.map((model) => [model.id, model] as const))('the hold of %s', (_id, model) => {
  it('is at least the price of every format that any of its services may deliver', () => {
    const all = before(servicesOf(model).map((service) => accountAt(model, service)));
    let compared = 0;
    for (const service of servicesOf(model)) {
      const server = accountAt(model, service);
      expect(serves(server, model, Date.parse('2026-08-01'))).toBe(true);
      const alone = before([server]);
      for (const draft of draftsOf(model)) {
        const held = hold(model, draft, alone);
        const sent = upstreamParameters(model, draft);
        const seconds = Math.max(draft.duration, sent.duration);
        for (const delivered of deliveredFor(model, sent)) {
          const rate = alone.deliveredRate(server, asStored(draft), delivered);
          if (!rate) throw new Error(`no rate for ${JSON.stringify({ service, draft, delivered })}`);
          if (rateMicros(rate, seconds) > held)
            expect.fail(JSON.stringify({ service, draft, delivered, rate, held }));
          compared += 1;
        }
        expect(hold(model, draft, all)).toBeGreaterThanOrEqual(held);
      }
    }
    expect(compared).toBeGreaterThan(0);
  });
});

function firstOf(model: Model): DraftRequest {
  const [first] = draftsOf(model);
  if (!first) throw new Error('no request');
  return first;
}

/** A reference video of so many seconds. */
const measured = (duration: number) => ({ type: 'video', input: { duration } });

describe('the hold of a request with a video by the link of the caller', () => {
  const billing = MODELS.filter(({ price, parameters }) => price.videos && parameters.references);
  it('is not decided by what was behind the link when it was measured', () => {
    let compared = 0;
    for (const model of billing)
      for (const { type, role, limits } of model.parameters.references?.takes ?? []) {
        if (type !== 'video') continue;
        const least = limits?.minSeconds ?? 1;
        const most = limits?.maxSeconds ?? 0;
        const kind = { type, ...(role === undefined ? {} : { role }) } as const;
        const given = { ...kind, field: 'references[0]', from: { given: 'https://example.com/a.mp4' } };
        const draft = { ...firstOf(model), references: [given] };
        const held = (seconds: number, hasLinks: boolean) => {
          const [reference] = asStored(draft).references ?? [];
          if (reference?.type !== 'video') throw new Error('no video');
          const format = { width: 1280, height: 720, fps: 24, duration: seconds };
          const references = [{ ...reference, input: { ...reference.input, ...format } }];
          const price = priceOf(model, draft, builtIn.pricedAt(model));
          const checked: CheckedRequest = { model, draft, imageFit: 'error', price, notes: [] };
          return checkMeasuredReferences(checked, { ...asStored(draft), references }, builtIn, hasLinks).price
            .holdMicros;
        };
        expect(held(least, false)).toBe(held(most, false));
        expect(held(least, false)).toBeGreaterThanOrEqual(held(most, true));
        expect(held(least, true)).toBeLessThan(held(most, true));
        compared += 1;
      }
    expect(compared).toBeGreaterThan(5);
  });
});

describe('the hold covers bills that were seen', () => {
  it.each<[string, string, object, string, number]>([
    // "completion_tokens": 108900 for 5 s at 1280x720, at 7 dollars a million.
    ['seedance-2.0', 'byteplus', { resolution: '720p', duration: 5 }, '108,900 tokens at 7.0', 108_900 * 7],
    ['seedance-2.0', 'byteplus', { resolution: '720p', duration: 4 }, '87,300 tokens at 7.0', 87_300 * 7],
    [
      'seedance-2.0',
      'byteplus',
      { resolution: '1080p', duration: 5 },
      '245,025 tokens at 7.7',
      245_025 * 7.7,
    ],
    // 3840 x 2160 x 121 / 1024.
    ['seedance-2.0', 'byteplus', { resolution: '4k', duration: 5 }, '980,100 tokens at 4.0', 980_100 * 4],
    // Volcengine bills 46, 26, 70 and 15 CNY. A dollar buys at least 6.5.
    [
      'seedance-2.0',
      'volcengine',
      { resolution: '720p', duration: 5 },
      '108,900 tokens at 46 CNY',
      (108_900 * 46) / 6.5,
    ],
    [
      'seedance-2.0',
      'volcengine',
      { resolution: '4k', duration: 5 },
      '980,100 tokens at 26 CNY',
      (980_100 * 26) / 6.5,
    ],
    [
      'seedance-2.5',
      'volcengine',
      { resolution: '720p', duration: 5 },
      '108,900 tokens at 70 CNY',
      (108_900 * 70) / 6.5,
    ],
    [
      'seedance-1.0-pro-fast',
      'volcengine',
      { resolution: '1080p', duration: 5 },
      '246,840 tokens at 4.2 CNY',
      (246_840 * 4.2) / 6.5,
    ],
    // 173,700 tokens for 4 s with a reference video (https://crazyrouter.com/en/blog/seedance-2-0-actual-output-token-billing-explained).
    [
      'seedance-2.0',
      'byteplus',
      { resolution: '720p', duration: 4, references: [measured(4)] },
      '173,700 tokens at 4.3',
      173_700 * 4.3,
    ],
    [
      'seedance-2.0-fast',
      'volcengine',
      { resolution: '720p', duration: 4, references: [measured(4)] },
      '173,700 tokens at 22 CNY',
      (173_700 * 22) / 6.5,
    ],
    // BytePlus: 1.244 USD for 5 s at 720p with the shortest video, 4.838 USD with 30 s of videos.
    [
      'seedance-2.5',
      'byteplus',
      { resolution: '720p', duration: 5, references: [measured(2)] },
      'the least',
      1_244_000,
    ],
    [
      'seedance-2.5',
      'byteplus',
      { resolution: '720p', duration: 5, references: [measured(30)] },
      'the most',
      4_838_000,
    ],
    ['veo-3.1-generate-001', 'gemini', { duration: 8, generateAudio: false }, '8 s with audio', 3_200_000],
    ['veo-3.1-generate-001', 'vertex', { duration: 8, generateAudio: false }, '8 s without', 1_600_000],
    ['veo-3.1-lite-generate-001', 'vertex', { duration: 8, generateAudio: false }, '8 s without', 240_000],
    [
      'grok-imagine-video',
      'xai',
      { duration: 1, resolution: '480p', image: PNG },
      '1 s and an image',
      52_000,
    ],
  ])('of %s at %s with %j: %s', (id, service, members, _bill, billed) => {
    const model = builtIn.get(id);
    if (!model) throw new Error(`no model ${id}`);
    const wanted = { ...firstOf(model), ...members };
    const shape = shapesOf(model).find(
      ({ resolution, aspectRatio }) => resolution === wanted.resolution && aspectRatio === '16:9',
    );
    const held = hold(model, { ...wanted, ...shape }, before([accountAt(model, service)]));
    expect(held).toBeGreaterThanOrEqual(billed);
    // Its size is not the largest of the resolution, so a little more is held, but not much.
    expect(held).toBeLessThanOrEqual(billed * 1.03);
  });
});
