import { describe, expect, it } from 'vitest';
import { Upload } from '../../../src/api/body/multipart.ts';
import { type Call, unifiedBody } from '../../../src/api/openaiVideos/request.ts';
import { createCatalogue } from '../../../src/catalogue/catalogue.ts';
import { checkRequest } from '../../../src/catalogue/validate/request.ts';
import { aRequest, aTask } from '../../support/builders.ts';

const catalogue = createCatalogue({ servers: [] });
const VIDEO = new Upload(Buffer.from('video'));

const asked = (operation: Call['operation'], model: string, fields: object, resolution = '720p' as const) => {
  const source = aTask({ request: aRequest({ model, resolution, aspectRatio: '9:16' }) });
  const id = operation === 'remix' ? source.id : undefined;
  const video = operation === 'remix' ? {} : { video: { id: source.id } };
  const all = { prompt: 'replace the boat', ...video, ...fields };
  return { source, body: unifiedBody(operation, { id, fields: all }, catalogue, async () => source) };
};

describe('a change of a video', () => {
  it.each([
    ['remix', {}, null],
    ['edit', {}, { openai: { operation: 'edit' } }],
    ['extend', { seconds: '8' }, { openai: { operation: 'extend' } }],
  ] as const)('of Sora is its own operation: %s', async (operation, fields, options) => {
    const { source, body } = asked(operation, 'sora-2', fields);
    expect(await body).toEqual({
      model: 'sora-2',
      prompt: 'replace the boat',
      ...fields,
      video_url: source.id,
      provider_options: options,
    });
    const { draft } = checkRequest(await body, catalogue);
    expect(draft.videoUrl).toBe(source.id);
    if ('seconds' in fields) expect(draft.duration).toBe(8);
  });

  it.each(['remix', 'edit'] as const)('is of the reference that a model edits: %s', async (operation) => {
    const { source, body } = asked(operation, 'seedance-2.5', {});
    const { draft } = checkRequest(await body, catalogue);
    expect(draft.references).toEqual([
      { type: 'video', role: 'source', field: 'references[0]', from: { videoId: source.id } },
    ]);
    expect([draft.resolution, draft.aspectRatio]).toEqual(['720p', '9:16']);
  });

  it('is of the reference that a model continues, for the seconds that are asked for', async () => {
    const { body } = asked('extend', 'seedance-2.5', { seconds: '8' });
    const { draft } = checkRequest(await body, catalogue);
    expect(draft.references?.[0]?.role).toBe('first_clip');
    expect(draft.duration).toBe(8);
  });

  it('is an extension, and nothing else, of models that only extend', async () => {
    const { source, body } = asked('extend', 'veo-3.1-generate-001', { seconds: '7' });
    expect(checkRequest(await body, catalogue).draft.videoUrl).toBe(source.id);
    await expect(asked('edit', 'veo-3.1-generate-001', {}).body).rejects.toThrow('cannot edit a video');
  });

  it('may be of another model, and then of a file too', async () => {
    const other = asked('edit', 'onetake-preview', { model: 'seedance-2.5' });
    expect(checkRequest(await other.body, catalogue).model.id).toBe('seedance-2.5');
    const file = asked('edit', 'onetake-preview', { model: 'seedance-2.5', video: VIDEO });
    const { draft } = checkRequest(await file.body, catalogue);
    expect(draft.references?.[0]?.from).toEqual({ given: VIDEO.base64 });
    const sora = asked('edit', 'sora-2', { model: 'sora-2', video: VIDEO });
    await expect(sora.body).rejects.toThrow('sora-2 cannot edit an uploaded video');
  });

  it('may be of a file that was uploaded earlier', async () => {
    const id = `file-${'0'.repeat(32)}`;
    const file = asked('edit', 'onetake-preview', { model: 'seedance-2.5', video: { id } });
    const { draft } = checkRequest(await file.body, catalogue);
    expect(draft.references?.[0]).toMatchObject({ type: 'video', role: 'source', from: { given: id } });
    await expect(asked('edit', 'sora-2', { video: { id } }).body).rejects.toThrow('model is required');
  });

  it.each([
    ['remix', {}],
    ['edit', {}],
    ['extend', { seconds: '8' }],
  ] as const)('names models that can: %s', async (operation, fields) => {
    const error = await asked(operation, 'onetake-preview', fields).body.catch(String);
    const [, named = ''] = /such as (.*)\.$/.exec(String(error)) ?? [];
    const models = named.split(/, (?:or )?| or /);
    expect(models.length).toBeGreaterThan(0);
    for (const model of models) await expect(asked(operation, model, fields).body).resolves.toBeDefined();
  });

  it.each([
    ['edit', { video: undefined }, 'video'],
    ['edit', { video: 'video_1' }, 'video'],
    ['edit', { video: { url: 'x' } }, 'url'],
    ['edit', { video: VIDEO }, 'model'],
    ['extend', {}, 'seconds'],
    ['extend', { prompt: undefined, seconds: '4' }, 'prompt'],
  ] as const)('refuses what is missing or wrong: %s %j', async (operation, fields, param) => {
    await expect(asked(operation, 'sora-2', fields).body).rejects.toMatchObject({ details: { param } });
  });
});

describe('a creation', () => {
  const created = (fields: object) =>
    unifiedBody('create', { id: undefined, fields: { prompt: 'a kite', ...fields } }, catalogue, () =>
      Promise.reject(),
    );

  it('has the defaults of OpenAI with its models, and those of the others with them', async () => {
    const sora = checkRequest(await created({}), catalogue).draft;
    expect([sora.model, sora.duration, sora.width, sora.height]).toEqual(['sora-2', 4, 720, 1280]);
    const preview = checkRequest(await created({ model: 'onetake-preview' }), catalogue).draft;
    expect([preview.duration, preview.width, preview.height]).toEqual([4, 1280, 720]);
  });

  it('takes every model of the catalogue with a size and seconds that it can make', async () => {
    const accepts = (body: object) => {
      try {
        return checkRequest({ prompt: 'a kite', ...body }, catalogue).draft;
      } catch {
        return undefined;
      }
    };
    let made = 0;
    for (const { id } of catalogue.list()) {
      // Some models need an image or a video.
      const draft = accepts({ model: id });
      if (!draft) continue;
      const size = `${draft.width}x${draft.height}`;
      const body = await created({ model: id, seconds: String(draft.duration), size });
      expect(checkRequest(body, catalogue).draft).toEqual(draft);
      made += 1;
    }
    expect(made).toBeGreaterThan(20);
  });
});
