import { describe, expect, it } from 'vitest';
import { type Catalogue, catalogueProblems, createCatalogue } from '../../src/catalogue/catalogue.ts';
import { BUILT_IN } from '../../src/catalogue/entries/index.ts';
import { PARAMETERS } from '../../src/catalogue/fields.ts';
import type { ConditionSpec, Model } from '../../src/catalogue/model.ts';
import type { ModelServer } from '../../src/catalogue/serving.ts';
import { checkRequest } from '../../src/catalogue/validate/request.ts';
import { SHIPPED_MODELS } from '../../src/providers/declared/load.ts';
import { OnetakeError } from '../../src/tasks/errors.ts';
import { asStored, builtIn } from './builtIn.ts';

function withOverrides(overrides: Record<string, unknown>): Catalogue {
  return createCatalogue({ overrides, servers: [] });
}

/** The error of a catalogue with these changes. */
function refusal(overrides: Record<string, unknown>): string {
  try {
    withOverrides(overrides);
  } catch (error) {
    if (error instanceof OnetakeError && error.code === 'invalid_settings') return error.message;
    throw error;
  }
  throw new Error('the catalogue was taken');
}

describe('the reference model ids', () => {
  it.each([
    ['sora-2', 'sora', 'download'],
    ['sora-2-pro', 'sora', 'download'],
    ['veo-3.0-fast-generate-001', 'veo', 'url'],
    ['veo-3.0-generate-preview', 'veo', 'url'],
    ['veo-3.1-fast-generate-preview', 'veo', 'url'],
    ['veo-3.1-generate-preview', 'veo', 'url'],
    ['veo-3.1-generate-001', 'veo', 'url'],
    ['veo-3.1-fast-generate-001', 'veo', 'url'],
    ['wanx-video-v1', 'wanxiang', 'url'],
    ['wan2.7-t2v', 'wanxiang', 'url'],
    ['wan2.6-t2v', 'wanxiang', 'url'],
    ['wan2.5-t2v-preview', 'wanxiang', 'url'],
    ['seedance-1.0', 'seedance', 'url'],
    ['seedance-1.0-pro', 'seedance', 'url'],
    ['seedance-1.5-pro', 'seedance', 'url'],
    ['seedance-2.0', 'seedance', 'url'],
    ['onetake-preview', 'preview', 'url'],
  ])('%s belongs to the family %s and is delivered by %s', (id, family, delivery) => {
    expect(builtIn.get(id)).toMatchObject({ id, family, delivery });
  });

  it('only Sora 2 is delivered through the download endpoint', () => {
    const downloads = builtIn.list().filter(({ delivery }) => delivery === 'download');
    expect(new Set(downloads.map(({ family }) => family))).toEqual(new Set(['sora']));
  });
});

describe('the documented parameters of the reference service are accepted', () => {
  const image = 'https://example.com/boat.png';
  const video = 'https://example.com/boat.mp4';
  it.each<[string, Record<string, readonly unknown[]>]>([
    [
      'sora-2',
      {
        duration: [5, 10, 15, 20, 4, 8, 12, '8'],
        resolution: ['480p', '720p'],
        ratio: ['16:9', '9:16', '1:1'],
      },
    ],
    [
      'sora-2-pro',
      { duration: [5, 20], resolution: ['480p', '720p', '1080p'], image_url: [image], video_url: [video] },
    ],
    [
      'veo-3.1-generate-preview',
      {
        durationSeconds: [4, 6, 8],
        aspectRatio: ['16:9', '9:16'],
        generateAudio: [true, false],
        image: [image],
      },
    ],
    ['veo-3.0-fast-generate-001', { durationSeconds: [4, 6, 8], resolution: ['720p'], image: [image] }],
    ['veo-3.0-generate-preview', { resolution: ['1080p'], generateAudio: [false] }],
    [
      'wanx-video-v1',
      {
        duration: [3, 5, 10],
        size: ['1280x720', '720x1280', '960x960', '1280*720'],
        style: ['watercolour'],
        seed: [7],
        image_url: [image],
      },
    ],
    ['seedance-1.0', { duration: [4, 6, 8], aspect_ratio: ['16:9', '9:16', '1:1'], first_frame: [image] }],
    ['seedance-1.0-pro', { duration: [4, 6, 8], aspect_ratio: ['16:9', '9:16', '1:1'] }],
    ['seedance-1.5-pro', { duration: [4, 6, 8], aspect_ratio: ['16:9', '9:16', '1:1'] }],
  ])('%s', (model, values) => {
    for (const [field, allowed] of Object.entries(values)) {
      for (const value of allowed) {
        const body = { model, prompt: 'a paper boat', [field]: value };
        expect(() => checkRequest(body, builtIn), JSON.stringify(body)).not.toThrow();
      }
    }
  });

  it.each(['veo-3.1-generate-preview', 'seedance-1.0', 'seedance-1.0-pro', 'seedance-1.5-pro'])(
    '%s accepts a last frame beside the first',
    (model) => {
      const frames = { first_frame: image, last_frame: image };
      expect(checkRequest({ model, prompt: 'a paper boat', ...frames }, builtIn).draft).toMatchObject({
        image,
        lastFrame: image,
      });
    },
  );

  it.each([
    ['sora-2', { duration: 5, resolution: '720p', aspectRatio: '16:9' }],
    ['veo-3.1-generate-preview', { generateAudio: false }],
    ['seedance-1.0', { aspectRatio: '16:9' }],
  ])('%s has the documented defaults', (model, defaults) => {
    expect(checkRequest({ model, prompt: 'a paper boat' }, builtIn).draft).toMatchObject(defaults);
  });
});

const isGiven = (when: ConditionSpec | undefined): boolean =>
  when !== undefined && (!('given' in when) || when.given);

/** The first kind of reference that a model takes, if it needs one. */
function referencesFor(model: Model | undefined, needed: boolean): object {
  const [kind] = model?.parameters.references?.takes ?? [];
  if (!needed || !kind) return {};
  const role = kind.role === undefined ? {} : { role: kind.role };
  return { references: [{ type: kind.type, url: 'https://example.com/boat', ...role }] };
}

describe.each(BUILT_IN.map((entry) => [entry.id, entry] as const))('%s', (id, entry) => {
  it('is found by its id and every alias, and accepts a prompt with its required parameters', () => {
    const model = builtIn.get(id);
    for (const alias of entry.aliases ?? []) expect(builtIn.get(alias)).toBe(model);
    const required = (model?.rules ?? []).flatMap((rule) =>
      // One that applies while something is not given applies to a plain request.
      'require' in rule && 'given' in rule.require && rule.require.given && !isGiven(rule.when)
        ? [rule.require.parameter]
        : [],
    );
    const picture = 'https://example.com/boat.png';
    const body = {
      model: id,
      prompt: 'a paper boat',
      ...(required.includes('image') ? { image: picture } : {}),
      ...(required.includes('lastFrame') ? { last_frame: picture } : {}),
      ...referencesFor(model, required.includes('references')),
      ...(required.includes('videoUrl') ? { video_url: 'https://example.com/boat.mp4' } : {}),
    };
    const { draft, price } = checkRequest(body, builtIn);
    expect(draft).toMatchObject({ model: id, duration: entry.parameters.duration.default });
    expect(draft.width * draft.height).toBeGreaterThan(0);
    expect(price.holdMicros).toBe((price.microsPerVideo ?? 0) + price.microsPerSecond * draft.duration);
    expect(price.microsPerSecond > 0).toBe(entry.provider !== 'preview');
  });

  it('names no parameters that do not exist', () => {
    for (const parameter of Object.keys(entry.parameters)) expect(PARAMETERS).toContain(parameter);
  });
});

describe('an account', () => {
  it('that lists its models serves only these, under its own names, retired or not', () => {
    const server: ModelServer = {
      providerId: 'openai',
      official: true,
      models: new Map([
        ['sora-2', 'my-deployment'],
        ['wan3.0-video', undefined],
      ]),
    };
    const catalogue = createCatalogue({ servers: [server] });
    expect(['sora-2', 'sora-2-pro', 'wan3.0-video'].map((id) => catalogue.available(id))).toEqual([
      true,
      false,
      true,
    ]);
    const request = asStored(checkRequest({ model: 'sora-2', prompt: 'a boat' }, catalogue).draft);
    expect(catalogue.servedBy(server, request)).toBe(true);
    expect(catalogue.upstreamModelAt(server, request)).toBe('my-deployment');
  });

  it('that lists a missing model is a settings error', () => {
    const models = new Map([['sora-3', undefined]]);
    expect(() => createCatalogue({ servers: [{ providerId: 'openai', official: false, models }] })).toThrow(
      /Accounts name models that the catalogue does not have: sora-3/,
    );
  });
});

describe('changes of the catalogue', () => {
  it('cannot spell the inputs of a provider that a file declares', () => {
    const overrides = { [SHIPPED_MODELS[0]?.id ?? '']: { inputs: { duration: { form: 'text' } } } };
    expect(catalogueProblems(overrides, [], SHIPPED_MODELS)).toEqual([
      expect.stringMatching(/inputs: the file of comfyui says how its requests look; remove it$/),
    ]);
  });

  it('replace the named fields and keep the rest', () => {
    const before = builtIn.get('sora-2');
    const after = withOverrides({
      'sora-2': {
        upstreamModel: 'my-sora',
        services: {},
        parameters: { duration: { kind: 'numbers', allowed: [4, 8], default: 4 }, videoUrl: null },
      },
    }).get('sora-2');
    expect(after).toMatchObject({ upstreamModel: 'my-sora', title: before?.title, price: before?.price });
    expect(after?.parameters.duration).toEqual({ kind: 'numbers', allowed: [4, 8], default: 4 });
    expect(after?.parameters.resolution).toEqual(before?.parameters.resolution);
    expect(after?.parameters).not.toHaveProperty('videoUrl');
    // Its descriptions are removed with it.
    expect(before?.rules).not.toEqual([]);
    expect(after?.rules).toEqual([]);
  });

  it('may remove a resolution, whose prices then have no effect', () => {
    const resolution = { kind: 'choice', allowed: ['720p'], default: '720p' };
    const catalogue = withOverrides({ 'veo-3.1-generate-001': { parameters: { resolution } } });
    expect(catalogue.get('veo-3.1-generate-001')?.parameters.resolution).toEqual(resolution);
  });

  it('may add a model', () => {
    const catalogue = withOverrides({
      'my-model': {
        title: 'Mine',
        family: 'kling',
        provider: 'dashscope',
        released: '2026-11-01',
        upstreamModel: 'wan-mine',
        delivery: 'url',
        promptMaxLength: 100,
        parameters: {
          duration: { kind: 'numbers', allowed: [5], default: 5 },
          resolution: { kind: 'choice', allowed: ['720p'], default: '720p' },
          aspectRatio: { kind: 'choice', allowed: ['16:9'], default: '16:9' },
          personGeneration: { kind: 'choice', allowed: ['Allow'] },
        },
        price: { currency: 'USD', rates: [{ microsPerSecond: 1 }], billing: 'Mine.' },
        typical: { medianSeconds: 1, p90Seconds: 2 },
        cancel: 'none',
      },
    });
    expect(catalogue.list().at(-1)).toMatchObject({
      id: 'my-model',
      family: 'kling',
      aliases: [],
      services: {},
    });
    const body = { model: 'my-model', prompt: 'x', person_generation: 'allow' };
    expect(checkRequest(body, catalogue).draft).toMatchObject({ width: 1280, personGeneration: 'Allow' });
  });

  it('with errors are all reported at once, each with its model', () => {
    const message = refusal({
      'sora-2': { delivery: 'post', colour: 'red' },
      'onetake-preview': { typical: { medianSeconds: 5, p90Seconds: 2 } },
      'new model': { title: 'x' },
      'wan2.7-t2v': 'text',
      'veo-3.1-generate-001': { family: 'Google Veo' },
    });
    for (const part of [
      /models\.veo-3\.1-generate-001: family: must be a word in small letters such as kling/,
      /models\.sora-2: delivery: /,
      /models\.sora-2: .*colour/,
      /models\.onetake-preview: typical: p90Seconds is less than medianSeconds/,
      /models\.new model: id: may hold letters, digits/,
      /models\.new model: price: /,
      /models\.wan2\.7-t2v: must be a mapping/,
    ]) {
      expect(message).toMatch(part);
    }
  });

  const preview = (parameters: Record<string, unknown>) => ({ 'onetake-preview': { parameters } });
  const priced = (price: Record<string, unknown>) => ({
    'onetake-preview': { price: { currency: 'USD', billing: '', ...price } },
  });
  const RATIO = { kind: 'choice', allowed: ['16:9'], default: '16:9' };
  it.each<[string, Record<string, unknown>, RegExp]>([
    [
      'a default that is not allowed',
      preview({ duration: { kind: 'numbers', allowed: [4, 8], default: 5 } }),
      /duration: the default 5 is not allowed/,
    ],
    [
      'a default of a flag that is not allowed',
      preview({ watermark: { kind: 'flag', allowed: [false], default: true } }),
      /watermark: the default true is not allowed/,
    ],
    [
      'a flag without a default that determines the price',
      preview({ generateAudio: { kind: 'flag', allowed: [true, false] } }),
      /parameters\.generateAudio\.default: is missing/,
    ],
    [
      'inputs of a model whose provider names them',
      { 'onetake-preview': { inputs: { duration: { form: 'text' } } } },
      /inputs: all models of preview have the same inputs/,
    ],
    [
      'an input that the model does not take',
      { 'fal-wan-2.5': { inputs: { lastFrame: { name: 'end_image_url' } } } },
      /inputs\.lastFrame: the model does not take it/,
    ],
    [
      'a choice that is never sent',
      { 'fal-wan-2.5': { inputs: { resolution: false } } },
      /inputs\.resolution: a parameter with a choice of values must be sent/,
    ],
    [
      'a form of something else than seconds',
      { 'fal-wan-2.5': { inputs: { seed: { form: 'text' } } } },
      /inputs\.seed\.form: only duration has one/,
    ],
    [
      'a default outside the range',
      preview({ duration: { kind: 'range', min: 1, max: 4, default: 5 } }),
      /duration: the default 5 is outside 1 to 4/,
    ],
    [
      'a range whose minimum exceeds its maximum',
      preview({ seed: { kind: 'range', min: 4, max: 1 } }),
      /seed: min is more than max/,
    ],
    [
      'a rounding from a value that is not allowed',
      preview({ duration: { kind: 'numbers', allowed: [4], default: 4, roundsTo: { 5: 4 } } }),
      /roundsTo: 5 is not allowed, so nothing rounds it/,
    ],
    [
      'a rounding to a value that is itself rounded',
      preview({ duration: { kind: 'numbers', allowed: [4, 5, 6], default: 4, roundsTo: { 5: 6, 6: 4 } } }),
      /roundsTo: 5 goes to 6, which is rounded itself/,
    ],
    [
      'a rounding to a value that is not allowed',
      preview({ duration: { kind: 'numbers', allowed: [4, 5], default: 4, roundsTo: { 5: 7 } } }),
      /roundsTo: 5 goes to 7, which is not allowed/,
    ],
    [
      'a rule about a parameter that the model does not accept',
      { 'onetake-preview': { rules: [{ require: { parameter: 'videoUrl', given: true } }] } },
      /a rule speaks of video_url, which the model does not take/,
    ],
    [
      'a shape without a price',
      {
        'onetake-preview': {
          price: { currency: 'USD', rates: [{ resolution: '480p', microsPerSecond: 1 }], billing: '' },
        },
      },
      /price\.rates: nothing matches 720p, 1280x720, audio true/,
    ],
    [
      'a line of the price table that never applies',
      {
        'onetake-preview': {
          price: {
            currency: 'USD',
            rates: [{ microsPerSecond: 1 }, { resolution: '720p', microsPerSecond: 2 }],
            billing: '',
          },
        },
      },
      /price\.rates\.1: never applies/,
    ],
    [
      'a price of tokens that the provider does not report',
      priced({ rates: [{ microsPerSecond: 1, microsPerToken: 2 }] }),
      /price\.rates\.0\.microsPerToken: preview reports no tokens; remove it/,
    ],
    [
      'a price of images that the model does not take',
      {
        'onetake-preview': {
          parameters: { image: null, lastFrame: null, references: null },
          ...priced({ rates: [{ microsPerSecond: 1 }], images: { free: 0, microsEach: 1 } })[
            'onetake-preview'
          ],
          rules: [],
        },
      },
      /price\.images: the model takes no images; remove it/,
    ],
    [
      'a price of videos that the model does not take',
      priced({ rates: [{ microsPerSecond: 1 }], videos: {} }),
      /price\.videos: the model takes no videos among its references; remove it/,
    ],
    [
      'what a video from anywhere keeps',
      preview({ videoUrl: { kind: 'url', keeps: ['shape'], extendsWith: { option: 'a', value: 'b' } } }),
      /parameters\.videoUrl: keeps: only with of: own; remove it\n.*parameters\.videoUrl: extendsWith: only with of: own/,
    ],
    [
      'a service that its provider does not have',
      { 'veo-3.1-generate-001': { services: { gemni: {} } } },
      /services\.gemni: google has no such service; there may be gemini and vertex/,
    ],
    [
      'a price of a service that the model does not have',
      {
        'veo-3.1-generate-001': {
          price: { currency: 'USD', rates: [{ service: 'venus', microsPerSecond: 1 }], billing: '' },
        },
      },
      /price\.rates: nothing matches 720p, 1280x720, audio true, at vertex/,
    ],
    [
      'an odd size',
      { 'onetake-preview': { sizes: { '720p': { '16:9': ['1281x720'] } } } },
      /sizes\.720p\.16:9\.0: must be like 1280x720, both numbers even/,
    ],
    [
      'an invalid currency',
      { 'onetake-preview': { price: { currency: 'dollar', rates: [{ microsPerSecond: 0 }], billing: '' } } },
      /price\.currency: must be an ISO 4217 code/,
    ],
    ['a name of another model', { 'onetake-preview': { aliases: ['sora-2'] } }, /sora-2 already means/],
    [
      'a successor that does not exist',
      {
        'sora-2': {
          services: { openai: { end: { date: '2026-01-01', reason: 'x', successors: ['sora-9'] } } },
        },
      },
      /services\.openai: there is no model sora-9 to use instead/,
    ],
    [
      'the older way to say where a model ends',
      { 'onetake-preview': { lifecycle: { state: 'retired' } } },
      /there is no "lifecycle" here; write services: \{ SERVICE: \{ end: .* instead of lifecycle/,
    ],
    [
      'the older way to name a model by region',
      { 'onetake-preview': { upstreamModelByRegion: { eu: 'preview' } } },
      /; write services: \{ SERVICE: \{ upstreamModel \} \} instead of upstreamModelByRegion/,
    ],
    [
      'the older way to say how many reference images a model takes',
      preview({ referenceImages: { kind: 'images', max: 3 } }),
      /; write references: \{ kind: references, takes: \[.* instead of referenceImages/,
    ],
    [
      'a protocol that the provider does not have',
      { 'onetake-preview': { protocol: 'interactions' } },
      /protocol: preview has no interactions; remove it/,
    ],
    [
      'a ratio that is not supported',
      preview({ aspectRatio: { ...RATIO, allowed: ['2:1'] } }),
      /parameters\.aspectRatio/,
    ],
    [
      'parameters that are not a mapping',
      { 'onetake-preview': { parameters: 'all' } },
      /parameters: must be a mapping/,
    ],
  ])('are refused: %s', (_what, overrides, message) => {
    expect(refusal(overrides)).toMatch(message);
  });

  it('leave facts for a task whose model is gone, but no account', () => {
    const { draft } = checkRequest({ model: 'onetake-preview', prompt: 'x' }, builtIn);
    const { image: _image, lastFrame: _lastFrame, references: _references, ...rest } = draft;
    const request = { ...rest, model: 'gone' };
    expect(builtIn.typicalTime(request).medianSeconds).toBeGreaterThan(0);
    const server = { providerId: 'preview', official: false };
    expect(builtIn.servedBy(server, rest)).toBe(true);
    expect(builtIn.servedBy(server, request)).toBe(false);
    expect(builtIn.upstreamRequest(request)).toBeUndefined();
    expect(() => builtIn.upstreamModelAt(server, request)).toThrow('not in the catalogue');
  });
});
