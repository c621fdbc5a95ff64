import { describe, expect, it } from 'vitest';
import { createCatalogue } from '../../../src/catalogue/catalogue.ts';
import { checkRequest } from '../../../src/catalogue/validate/request.ts';
import { OnetakeError } from '../../../src/tasks/errors.ts';
import { newTaskId } from '../../../src/tasks/ids.ts';

const PNG = 'https://example.com/a.png';
const MP4 = 'https://example.com/a.mp4';
const MP3 = 'https://example.com/a.mp3';

const takes = [
  { type: 'image', max: 2 },
  { type: 'video', max: 3 },
  { type: 'video', role: 'source', max: 1 },
  { type: 'audio', max: 3, with: ['image', 'video'] },
];
/** Models that take everything, only images, and nothing. */
const catalogue = createCatalogue({
  overrides: {
    'onetake-preview': { parameters: { references: { kind: 'references', max: 4, takes } } },
  },
  servers: [],
});

const check = (references: unknown, more: object = {}) =>
  checkRequest(
    {
      model: 'onetake-preview',
      prompt: 'a boat',
      ...(references === undefined ? {} : { references }),
      ...more,
    },
    catalogue,
  ).draft;

function refusal(references: unknown, more: object = {}): OnetakeError {
  try {
    check(references, more);
  } catch (error) {
    if (error instanceof OnetakeError) return error;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(references)}`);
}

describe('references', () => {
  it('keep their order, roles and sources', () => {
    const video = newTaskId();
    const given = [
      { type: 'video', video_id: video, role: 'source' },
      { type: 'image', url: PNG, role: null },
      { type: 'audio', data: 'data:audio/mpeg;base64,AAAA' },
    ];
    expect(check(given).references).toEqual([
      { type: 'video', role: 'source', field: 'references[0]', from: { videoId: video } },
      { type: 'image', field: 'references[1]', from: { given: PNG } },
      { type: 'audio', field: 'references[2]', from: { given: 'data:audio/mpeg;base64,AAAA' } },
    ]);
    expect(check([{ type: 'video', videoId: video }]).references).toMatchObject([
      { from: { videoId: video } },
    ]);
  });

  it('have a short form for images without a role', () => {
    expect(check(undefined, { reference_images: [PNG, 'AAAA'] }).references).toEqual([
      { type: 'image', field: 'reference_images[0]', from: { given: PNG } },
      { type: 'image', field: 'reference_images[1]', from: { given: 'AAAA' } },
    ]);
  });

  it.each<[string, unknown, RegExp, string]>([
    ['nothing', [], /must be a list of one or more objects such as/, 'references'],
    ['a link alone', [PNG], /references\[0\] must be an object such as/, 'references[0]'],
    [
      'an unknown type',
      [{ type: 'text', url: PNG }],
      /must be image, video or audio; got "text"/,
      'references[0].type',
    ],
    [
      'an unknown member',
      [{ type: 'image', uri: PNG }],
      /no member "uri"; it may have type, url/,
      'references[0]',
    ],
    ['a name of Object', [{ type: 'image', constructor: PNG }], /no member "constructor"/, 'references[0]'],
    [
      'a file id of another form',
      [{ type: 'image', file_id: 'file-1' }],
      /file_id must be the id of a file that you uploaded/,
      'references[0].file_id',
    ],
    [
      'a file id as data',
      [{ type: 'image', data: `file-${'0'.repeat(32)}` }],
      /the id of a file in references\[0\]\.file_id/,
      'references[0].data',
    ],
    ['no source', [{ type: 'image' }], /exactly one of url, data, file_id and video_id/, 'references[0]'],
    ['two sources', [{ type: 'image', url: PNG, data: 'AAAA' }], /exactly one of/, 'references[0]'],
    [
      'a member in both spellings',
      [{ type: 'video', video_id: newTaskId(), videoId: newTaskId() }],
      /references\[0\] has video_id twice; send it once/,
      'references[0]',
    ],
    [
      'bytes as a link',
      [{ type: 'image', url: 'data:image/png;base64,AAAA' }],
      /absolute http or https URL/,
      'references[0].url',
    ],
    [
      'a link as bytes',
      [{ type: 'image', data: PNG }],
      /a link belongs in references\[0\]\.url/,
      'references[0].data',
    ],
    [
      'an image by its task',
      [{ type: 'image', video_id: newTaskId() }],
      /its type must be video/,
      'references[0].type',
    ],
    [
      'no id of a task',
      [{ type: 'video', video_id: 'x' }],
      /id of a finished task/,
      'references[0].video_id',
    ],
    [
      'a role that is no text',
      [{ type: 'video', url: MP4, role: 7 }],
      /role must be text/,
      'references[0].role',
    ],
    [
      'more of a kind than it takes',
      Array(3).fill({ type: 'image', url: PNG }),
      /has too many: onetake-preview takes up to 2 images, 3 videos/,
      'references',
    ],
    [
      'more than it takes together',
      [...Array(2).fill({ type: 'image', url: PNG }), ...Array(3).fill({ type: 'video', url: MP4 })],
      /1 video with role source and 3 audio files, 4 together/,
      'references',
    ],
    [
      'sound alone',
      [{ type: 'audio', url: MP3 }],
      /takes audio files only beside references of type image or references of type video/,
      'references[0]',
    ],
  ])('are refused: %s', (_what, references, message, param) => {
    const error = refusal(references);
    expect(error.message).toMatch(message);
    expect(error.details.param).toBe(param);
    expect(error.status).toBe(400);
  });

  it('are refused in both forms at once', () => {
    const error = refusal([{ type: 'image', url: PNG }], { referenceImages: [PNG] });
    expect(error.message).toMatch(/referenceImages is the short form of references.*send one of the two/);
  });

  it('that the model does not take are answered with what it takes, and with models that take them', () => {
    const onlyImages = { model: 'veo-3.1-generate-001', duration: 8 };
    const error = refusal(
      [
        { type: 'image', url: PNG },
        { type: 'video', url: MP4 },
      ],
      onlyImages,
    );
    expect(error.message).toMatch(
      /^references\[1\]: veo-3\.1-generate-001 takes no video as a reference; it takes up to 3 images, or use .*onetake-preview.*\.$/,
    );
    expect(error.details.param).toBe('references[1]');
    expect(refusal([{ type: 'video', url: MP4 }], { model: 'wan2.2-t2v-plus' }).message).toMatch(
      /takes no video as a reference; leave references out, or use .*/,
    );
    expect(refusal(undefined, { model: 'wan2.2-t2v-plus', reference_images: [PNG] }).message).toMatch(
      /takes no image as a reference; leave reference_images out, or use /,
    );
    expect(refusal([{ type: 'image', url: PNG, role: 'style' }], onlyImages).message).toMatch(
      /takes no image with role style as a reference; it takes up to 3 images\.$/,
    );
  });
});

describe('rules about references', () => {
  const ruled = createCatalogue({
    overrides: {
      'onetake-preview': {
        parameters: { references: { kind: 'references', takes } },
        rules: [
          { require: { parameter: 'references', type: 'video', role: 'source', given: true } },
          {
            when: { parameter: 'references', type: 'image', given: true },
            require: { parameter: 'duration', in: [4] },
          },
          {
            when: { parameter: 'references', role: 'source', given: true },
            require: { parameter: 'references', type: 'video', role: null, given: false },
          },
        ],
      },
    },
    servers: [],
  });
  const checked = (references: unknown, duration: number) =>
    checkRequest({ model: 'onetake-preview', prompt: 'a boat', references, duration }, ruled);

  it('see their types and roles', () => {
    const source = { type: 'video', role: 'source', url: MP4 };
    expect(() => checked([source], 6)).not.toThrow();
    expect(() => checked([source, { type: 'video', url: MP4 }], 6)).toThrow(
      'onetake-preview: references of type video without a role must be left out when references with role source are given',
    );
    expect(() => checked([{ type: 'video', url: MP4 }], 6)).toThrow(
      'onetake-preview: references of type video with role source are required.',
    );
    expect(() => checked([source, { type: 'image', url: PNG }], 6)).toThrow(
      /duration must be 4 when references of type image are given/,
    );
  });
});

describe('the catalogue refuses an entry', () => {
  const problems = (change: object) => () =>
    createCatalogue({ overrides: { 'onetake-preview': change }, servers: [] });

  it.each<[string, object, RegExp]>([
    [
      'with a kind twice',
      { parameters: { references: { kind: 'references', takes: [takes[0], takes[0]] } } },
      /takes\.1: images were there before/,
    ],
    [
      'whose kind may have more than all together',
      { parameters: { references: { kind: 'references', max: 1, takes: [takes[0]] } } },
      /takes\.0: max is more than that of all references together/,
    ],
    [
      'with a rule about a kind that it does not take',
      {
        parameters: { references: { kind: 'references', takes: [takes[0]] } },
        rules: [{ require: { parameter: 'references', type: 'audio', given: true } }],
      },
      /speaks of references that the model does not take: audio/,
    ],
    [
      'that bills videos of any length',
      {
        parameters: { references: { kind: 'references', takes: [takes[1]] } },
        price: { currency: 'USD', rates: [{ microsPerSecond: 1 }], videos: {}, billing: 'x' },
      },
      /reference videos that are billed need limits\.maxSeconds/,
    ],
    [
      'without a price for videos',
      {
        parameters: { references: { kind: 'references', takes: [takes[1]] } },
        price: { currency: 'USD', rates: [{ withVideo: false, microsPerSecond: 1 }], billing: 'x' },
      },
      /nothing matches .* with a reference video/,
    ],
  ])('%s', (_what, change, message) => {
    expect(problems(change)).toThrow(message);
  });
});
