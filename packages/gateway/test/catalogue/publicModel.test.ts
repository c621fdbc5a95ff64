import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { modelsDocument } from '../../src/catalogue/modelsDocument.ts';
import { PublicModel, publicModel } from '../../src/catalogue/publicModel.ts';
import { SHIPPED_MODELS } from '../../src/providers/declared/load.ts';
import { builtIn } from './builtIn.ts';

function shown(id: string): PublicModel {
  const model = builtIn.get(id);
  if (!model) throw new Error(`no model ${id}`);
  return publicModel(model, true);
}

describe('a model in the API', () => {
  it.each(builtIn.list().map(({ id }) => id))('%s matches the documented schema', (id) => {
    expect(PublicModel.strict().parse(shown(id))).toMatchObject({ id, object: 'model' });
  });

  it('has the values and aliases of each parameter', () => {
    const { parameters } = shown('sora-2');
    expect(parameters).toMatchObject({
      prompt: { type: 'string', max_length: 32_000 },
      duration: {
        type: 'integer',
        aliases: expect.arrayContaining(['durationSeconds', 'seconds']),
        allowed: [4, 5, 8, 10, 12, 15, 16, 20],
        default: 5,
        rounds_to: { 5: 4, 10: 12, 15: 16 },
      },
      image: {
        type: 'image',
        aliases: expect.arrayContaining(['image_url', 'first_frame', 'input_reference']),
      },
      video_url: { type: 'url' },
      generate_audio: { type: 'boolean', allowed: [true], default: true },
    });
    expect(Object.keys(parameters)).not.toContain('seed');
    expect(shown('seedance-2.0').parameters).toMatchObject({
      duration: { minimum: 4, maximum: 15 },
      reference_images: { type: 'images', max_items: 9 },
    });
  });

  it('has a name for people as its owner, also if a file declares its provider', () => {
    for (const { id, provider } of SHIPPED_MODELS) expect(shown(id).owned_by).not.toBe(provider);
    expect(shown('kling-v3').owned_by).toBe('Kling AI');
  });

  it('has sizes, rules, price, services and owner', () => {
    expect(shown('onetake-preview')).toMatchObject({
      owned_by: 'Onetake',
      price: { free: true, rates: [{ per_second: 0 }] },
      sizes: expect.arrayContaining(['1280x720', '1080x1920']),
      services: [],
      available: true,
    });
    expect(shown('veo-3.1-generate-001')).toMatchObject({
      created: Date.UTC(2025, 9, 15) / 1000,
      rules: expect.arrayContaining(['duration must be 8 when resolution is 1080p or 4k']),
      price: {
        free: false,
        rates: expect.arrayContaining([
          { resolution: '4k', generate_audio: true, per_second: 0.6, micros_per_second: 600_000 },
        ]),
      },
    });
    expect(shown('veo-3.1-generate-001').services).toEqual([
      { id: 'vertex', title: 'Vertex AI', source: expect.any(String), checked: expect.any(String) },
      {
        id: 'gemini',
        title: 'Gemini API',
        until: '2026-10-22',
        reason: expect.stringMatching(/Vertex AI alone/),
        successors: ['gemini-omni-1.2-flash', 'gemini-omni-1.1-flash'],
        source: 'https://ai.google.dev/gemini-api/docs/deprecations',
        checked: expect.any(String),
      },
    ]);
    expect(shown('veo-3.0-generate-preview').notes[0]).toMatch(/was retired on/);
  });
});

describe('docs/models.md', () => {
  const document = modelsDocument(builtIn.list());

  it('matches the catalogue', () => {
    expect(readFileSync(new URL('../../../../docs/models.md', import.meta.url), 'utf8')).toBe(document);
  });

  it('has a section for each model, and its line in the overview links there', () => {
    const headings = [...document.matchAll(/^## (.+)$/gm)].map(([, heading = '']) => heading);
    expect(headings).toEqual(builtIn.list().map(({ id }) => id));
    const anchors = headings.map((heading) => heading.replace(/[^\w-]/g, '').toLowerCase());
    const links = [...document.matchAll(/\]\(#([^)]+)\)/g)].map(([, link]) => link);
    expect(links).toEqual(anchors);
    expect(new Set(anchors).size).toBe(anchors.length);
  });

  it('has the price of each service, with its source and the day on which it was checked', () => {
    const [, section = ''] = document.split('## veo-3.1-lite-generate-001\n');
    for (const text of [
      '| service | format | USD a second |',
      '| Gemini API | 1080p | 0.08 |',
      '| any other | 720p | 0.03 |',
    ])
      expect(section).toContain(`\n${text}\n`);
    expect(section).toMatch(/Source: \[cloud\.google\.com\]\(https:[^)]+\), 2026-\d\d-\d\d/);
  });

  it('has tables whose rows have as many cells as their header', () => {
    let cells = 0;
    for (const line of document.split('\n')) {
      const here = line.startsWith('|') ? line.split('|').length : 0;
      if (here > 0 && cells > 0) expect(here, line).toBe(cells);
      cells = here;
    }
  });
});
