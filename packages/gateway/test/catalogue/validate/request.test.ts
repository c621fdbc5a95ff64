import { describe, expect, it } from 'vitest';
import { SPELLINGS } from '../../../src/catalogue/fields.ts';
import { ADVICE_OF } from '../../../src/catalogue/unknownFields.ts';
import { check, refused } from '../builtIn.ts';

const PNG = 'https://example.com/a.png';
const body = (more: Record<string, unknown>) => ({
  model: 'onetake-preview',
  prompt: 'a paper boat',
  ...more,
});

describe('fields', () => {
  it('get their defaults, and nothing else', () => {
    expect(check({}).draft).toEqual({
      model: 'onetake-preview',
      prompt: 'a paper boat',
      duration: 4,
      resolution: '720p',
      aspectRatio: '16:9',
      width: 1280,
      height: 720,
      generateAudio: false,
      cameraFixed: false,
    });
  });

  it.each<[string, unknown, object]>([
    ['durationSeconds', 6, { duration: 6 }],
    ['seconds', '6', { duration: 6 }],
    ['duration', '6.0', { duration: 6 }],
    ['aspectRatio', '1:1', { aspectRatio: '1:1', width: 720 }],
    ['ratio', '9:16', { aspectRatio: '9:16' }],
    ['resolution', '1080P', { resolution: '1080p' }],
    ['image_url', PNG, { image: PNG }],
    ['first_frame', PNG, { image: PNG }],
    ['input_reference', PNG, { image: PNG }],
    ['last_frame_image', PNG, { lastFrame: PNG }],
    ['generateAudio', true, { generateAudio: true }],
    ['seed', '42', { seed: 42 }],
    ['size', '1280*720', { width: 1280, height: 720 }],
    ['size', ' 0720 X 1280 ', { width: 720, height: 1280, aspectRatio: '9:16' }],
  ])('%s: %j is accepted', (name, value, expected) => {
    expect(check({ [name]: value }).draft).toMatchObject(expected);
  });

  it('that are null count as missing', () => {
    expect(check({ seed: null, image: null, size: null, webhook_url: null }).draft).toEqual(check({}).draft);
  });

  it('may have two spellings if both have the same value', () => {
    expect(check({ duration: 6, seconds: '6' }).draft.duration).toBe(6);
    const references = { reference_images: [PNG], referenceImages: [PNG] };
    expect(check({ model: 'seedance-2.0', ...references }).draft.references).toMatchObject([
      { type: 'image', from: { given: PNG } },
    ]);
  });

  it.each<[Record<string, unknown>, RegExp, string]>([
    [{ duration: 6, seconds: 5 }, /duration and seconds mean the same but differ/, 'seconds'],
    [{ aspect_ratio: '16:9', ratio: '1:1' }, /mean the same but differ/, 'ratio'],
  ])('that contradict each other are refused: %j', (more, message, param) => {
    const error = refused(body(more));
    expect(error.message).toMatch(message);
    expect(error.details.param).toBe(param);
  });

  it.each([
    ['resolutoin', 'resolution'],
    ['promt', 'prompt'],
    ['aspect-ratio', 'aspect_ratio'],
    ['negative_promt', 'negative_prompt'],
    ['metdata', 'metadata'],
    ['webhook', 'webhook_url'],
    ['IMAGE_URL', 'image_url'],
  ])('that do not exist are refused with the nearest name: %s', (name, meant) => {
    const error = refused(body({ [name]: 'x' }));
    expect(error).toMatchObject({ status: 400, code: 'invalid_request', details: { param: name } });
    expect(error.message).toBe(`There is no field "${name}": did you mean ${meant}?`);
  });

  it.each([
    ['image_tail', 'did you mean last_frame?'],
    ['imageTail', 'did you mean last_frame?'],
    ['first_frame_image', 'did you mean image?'],
    ['tail_image_url', 'did you mean last_frame?'],
    ['promptImage', 'did you mean image?'],
    ['keyframes', 'did you mean image and last_frame?'],
    ['width', 'width and height go into size, such as "1280x720".'],
    ['callback_url', 'did you mean webhook_url?'],
    ['guidance_scale', 'an option that only one provider has goes into provider_options.'],
    ['input', 'its members go into the body itself.'],
    ['mode', 'choose with model and resolution.'],
    ['speed', 'an option that only one provider has goes into provider_options.'],
    ['past_frames_images', 'remove it.'],
  ])('that other APIs have are told by what they mean, and not by their letters: %s', (name, advice) => {
    expect(refused(body({ [name]: 'x' })).message).toBe(`There is no field "${name}": ${advice}`);
  });

  it('that do not exist are all told at once, up to ten', () => {
    const error = refused(
      body({ width: 1280, height: 720, fps: 30, image_tail: PNG, duration: 6, seconds: 5 }),
    );
    expect(error.message).toBe(
      [
        'There is no field "fps": remove it.',
        'There is no field "height": width and height go into size, such as "1280x720".',
        'There is no field "image_tail": did you mean last_frame?',
        'There is no field "width": width and height go into size, such as "1280x720".',
      ].join(' '),
    );
    expect(error.details.param).toBe('fps');
    const many = refused(body(Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`x${i}`, 1]))));
    expect(many.message).toMatch(/4990 more are unknown\.$/);
    expect(many.message.length).toBeLessThan(1000);
  });

  it('of other APIs are advised to fields that exist, and no field is taken for one of another API', () => {
    const known = Object.values(SPELLINGS).flat();
    const advised = [...ADVICE_OF.values()].flatMap(
      (advice) => /^did you mean (.*)\?$/.exec(advice)?.[1]?.split(/ and | or /) ?? [],
    );
    expect(advised.length).toBeGreaterThan(20);
    for (const name of advised) expect(known).toContain(name);
    for (const name of known) expect(ADVICE_OF.has(name.replaceAll('_', '').toLowerCase())).toBe(false);
  });

  it('unlike any known one are refused without a suggestion, however long their name is', () => {
    expect(refused(body({ fps: 30 })).message).toBe('There is no field "fps": remove it.');
    const error = refused(body({ ['x'.repeat(1_000_000)]: 1 }));
    expect(error.message.length).toBeLessThan(200);
    expect(error.details.param).toHaveLength(64);
  });

  it('are refused in the same order, whatever the order of the body', () => {
    const one = refused({ zebra: 1, apple: 2, ...body({}) });
    const other = refused({ ...body({}), apple: 2, zebra: 1 });
    expect(one.message).toBe(other.message);
    expect(one.details.param).toBe('apple');
  });
});

it.each([null, [], 'text', 7, true, undefined])('a body that is not an object is refused: %j', (wrong) => {
  expect(refused(wrong)).toMatchObject({ status: 400, message: expect.stringContaining('JSON object') });
});

describe('model', () => {
  it.each<[unknown, string, RegExp]>([
    ['onetake-prevew', 'model_not_found', /did you mean onetake-preview\?/],
    ['veo-3.1', 'model_not_found', /did you mean veo-3\.1-generate-001, veo-3\.1-.* or veo-3\.1-.*\?/],
    ['gpt-7', 'model_not_found', /GET \/v1\/models lists the ids/],
    ['', 'model_not_found', /GET \/v1\/models/],
    ['x'.repeat(100_000), 'model_not_found', /…: GET/],
    [7, 'invalid_request', /model must be the id of a model, as text; got 7/],
    [['sora-2'], 'invalid_request', /got a list/],
    [null, 'invalid_request', /model is required/],
  ])('%j is refused', (model, code, message) => {
    const error = refused({ model, prompt: 'x' });
    expect(error).toMatchObject({ status: 400, code, details: { param: 'model' } });
    expect(error.message).toMatch(message);
    expect(error.message.length).toBeLessThan(300);
  });

  it('is stored by its own id, also if an alias was requested', () => {
    expect(check({ model: 'doubao-seedance-2-0-260128' }).draft.model).toBe('seedance-2.0');
  });
});

describe('prompt', () => {
  it.each<[unknown, RegExp]>([
    [undefined, /prompt is required: say what the video shows/],
    [null, /prompt is required/],
    ['', /prompt is empty/],
    [' \n\t', /prompt is empty/],
    [7, /prompt must be text, not 7/],
    [{}, /prompt must be text, not an object/],
    ['a\0b', /NUL/],
    ['a\ud800b', /surrogate/],
    ['x'.repeat(4001), /prompt is too long: onetake-preview takes at most 4000 characters/],
    ['🚤'.repeat(4001), /too long/],
  ])('%j is refused', (prompt, message) => {
    const error = refused(JSON.parse(JSON.stringify({ model: 'onetake-preview', prompt })));
    expect(error.message).toMatch(message);
    expect(error.details.param).toBe('prompt');
  });

  it('has one kind of line end, and is counted with it', () => {
    expect(check({ prompt: 'a\r\nb\rc\n\r\nd' }).draft.prompt).toBe('a\nb\nc\n\nd');
    const prompt = `${'x'.repeat(3999)}\r\n`;
    expect(check({ prompt }).draft.prompt).toBe(`${'x'.repeat(3999)}\n`);
  });

  it('is counted in characters, not in UTF-16 units', () => {
    const prompt = '🚤'.repeat(4000);
    expect(check({ prompt }).draft.prompt).toBe(prompt);
  });

  it('may be as long as the model accepts together with an appended style, and no longer', () => {
    const style = 'ink';
    const room = 5000 - '\nStyle: ink'.length;
    expect(check({ model: 'wanx-video-v1', prompt: 'x'.repeat(room), style }).draft.style).toBe(style);
    const error = refused({ model: 'wanx-video-v1', prompt: 'x'.repeat(room + 1), style });
    expect(error.message).toMatch(/prompt and style together are too long: wanx-video-v1 takes at most 5000/);
    expect(error.details.param).toBe('style');
  });
});

describe('a value that a model does not accept is refused with the field, the value and what is allowed', () => {
  it.each<[Record<string, unknown>, string, string]>([
    [
      { duration: 21 },
      'duration',
      'duration 21 is not possible with onetake-preview; allowed: whole numbers from 1 to 20.',
    ],
    [
      { duration: 2.5 },
      'duration',
      'duration 2.5 is not possible with onetake-preview; allowed: whole numbers from 1 to 20.',
    ],
    [
      { seconds: 'ten' },
      'seconds',
      'seconds "ten" is not possible with onetake-preview; allowed: whole numbers from 1 to 20.',
    ],
    [
      { duration: true },
      'duration',
      'duration true is not possible with onetake-preview; allowed: whole numbers from 1 to 20.',
    ],
    [
      { resolution: '4k' },
      'resolution',
      'resolution "4k" is not possible with onetake-preview; allowed: 480p, 720p or 1080p.',
    ],
    [
      { resolution: 720 },
      'resolution',
      'resolution 720 is not possible with onetake-preview; allowed: 480p, 720p or 1080p.',
    ],
    [
      { model: 'veo-3.1-generate-001', durationSeconds: 5 },
      'durationSeconds',
      'durationSeconds 5 is not possible with veo-3.1-generate-001; allowed: 4, 6, 7 or 8.',
    ],
    [
      { model: 'veo-3.1-generate-001', aspectRatio: '1:1' },
      'aspectRatio',
      'aspectRatio "1:1" is not possible with veo-3.1-generate-001; allowed: 16:9 or 9:16.',
    ],
    [
      { model: 'sora-2', generate_audio: false },
      'generate_audio',
      'generate_audio false is not possible with sora-2; allowed: only true.',
    ],
    [
      { generate_audio: 'true' },
      'generate_audio',
      'generate_audio must be true or false, without quotes; got "true".',
    ],
    [
      { model: 'wanx-video-v1', style: 'x'.repeat(101) },
      'style',
      'style is too long: wanx-video-v1 takes at most 100 characters.',
    ],
    [
      { size: '1000x1000' },
      'size',
      'size "1000x1000" is not possible with onetake-preview; allowed: 854x480, 480x854, 480x480, 640x480, 480x640, 1120x480, 1280x720, 720x1280, 720x720, 960x720, 720x960, 1680x720, 1920x1080, 1080x1920, 1080x1080, 1440x1080, 1080x1440 or 2520x1080.',
    ],
    [{ size: 'large' }, 'size', 'size must be width and height in pixels, such as "1280x720"; got "large".'],
    [{ size: 720 }, 'size', 'size must be width and height in pixels, such as "1280x720"; got 720.'],
    [
      { image: 7 },
      'image',
      'image must be a URL, a data URL, the base64 of an image or the id of a file, as text.',
    ],
    [
      { image: ' ' },
      'image',
      'image must be a URL, a data URL, the base64 of an image or the id of a file, as text.',
    ],
    [
      { image: 'file:///etc/passwd' },
      'image',
      'image must be an http(s) URL, a data URL or base64, not file:.',
    ],
    [
      { model: 'seedance-2.0', reference_images: [] },
      'reference_images',
      'reference_images must be a list of 1 to 9 images for seedance-2.0.',
    ],
    [
      { model: 'seedance-2.0', reference_images: Array(10).fill(PNG) },
      'reference_images',
      'reference_images must be a list of 1 to 9 images for seedance-2.0.',
    ],
    [
      { model: 'seedance-2.0', referenceImages: [PNG, 'ftp://x'] },
      'referenceImages[1]',
      'referenceImages[1] must be an http(s) URL, a data URL or base64, not ftp:.',
    ],
    [
      { negative_prompt: 'rain' },
      'negative_prompt',
      'onetake-preview does not take negative_prompt; leave it out, or use veo-3.1-generate-001, veo-3.1-fast-generate-001, veo-3.1-lite-generate-001 or veo-3.1-generate-preview.',
    ],
    [
      { model: 'wan2.7-t2v', image: PNG },
      'image',
      'wan2.7-t2v does not take image; leave it out, or use wan3.0-video, wan3.0-video-prime, wan2.7-i2v or wan2.7-r2v.',
    ],
  ])('%j', (more, param, message) => {
    const error = refused(body(more));
    expect(error.message).toBe(message);
    expect(error).toMatchObject({ status: 400, code: 'invalid_request', details: { param } });
  });
});

describe('size, resolution and aspect_ratio', () => {
  it.each<[Record<string, unknown>, object]>([
    [{ size: '720x1280', resolution: '720p' }, { aspectRatio: '9:16' }],
    [{ size: '720x1280', aspect_ratio: '9:16' }, { resolution: '720p' }],
    [{ size: '960x720', resolution: '720p', aspect_ratio: '4:3' }, { width: 960 }],
    [
      { model: 'sora-2-pro', size: '1792x1024' },
      { resolution: '1080p', aspectRatio: '16:9', height: 1024 },
    ],
    [
      { model: 'sora-2-pro', resolution: '1080p' },
      { width: 1920, height: 1080 },
    ],
    [
      { model: 'seedance-1.0-pro', aspect_ratio: '21:9' },
      { width: 1504, height: 640 },
    ],
    [
      { model: 'wanx-video-v1', size: '960*960' },
      { resolution: '720p', aspectRatio: '1:1' },
    ],
  ])('agree: %j', (more, expected) => {
    expect(check(more).draft).toMatchObject(expected);
  });

  it.each<[Record<string, unknown>, RegExp]>([
    [
      { size: '1280x720', aspect_ratio: '9:16' },
      /size 1280x720 means resolution 720p and aspect_ratio 16:9, which contradicts the aspect_ratio given/,
    ],
    [{ size: '1280x720', resolution: '1080p' }, /contradicts the resolution given; send size alone/],
  ])('that contradict each other are refused: %j', (more, message) => {
    const error = refused(body(more));
    expect(error.message).toMatch(message);
    expect(error.details.param).toBe('size');
  });
});

describe('a flag', () => {
  it('without a default is only sent if the caller gives it', () => {
    const wan3 = { model: 'wan3.0-video', aspect_ratio: '21:9' };
    expect(check(wan3).draft).not.toHaveProperty('promptExtend');
    expect(check({ ...wan3, prompt_extend: true }).draft).toMatchObject({ promptExtend: true });
    expect(check({ model: 'wan2.7-t2v' }).draft).toMatchObject({ promptExtend: true });
  });
});

describe('references of models', () => {
  const MP4 = 'https://example.com/a.mp4';
  const video = (role?: string) => ({ type: 'video', url: MP4, ...(role ? { role } : {}) });
  const audio = (role: string) => ({ type: 'audio', url: 'https://example.com/a.mp3', role });

  it('has video_url as the short form of the video to edit', () => {
    const source = { type: 'video', role: 'source', from: { given: MP4 } };
    const edited = check({ model: 'wan2.7-videoedit', video_url: MP4, reference_images: [PNG] }).draft;
    expect(edited.references).toMatchObject([source, { type: 'image', from: { given: PNG } }]);
    expect(edited).not.toHaveProperty('videoUrl');
    expect(
      check({ model: 'wan2.7-videoedit', references: [video('source')] }).draft.references,
    ).toMatchObject([source]);
    expect(
      refused(body({ model: 'wan2.7-videoedit', video_url: MP4, references: [video('source')] })).message,
    ).toMatch(
      /references has too many: wan2\.7-videoedit takes up to 1 video with role source and 4 images\./,
    );
  });

  it.each<[object, RegExp]>([
    [{ model: 'wan2.7-videoedit' }, /references of type video with role source are required/],
    [
      { model: 'happyhorse-1.0-video-edit', references: [{ type: 'image', url: PNG }] },
      /role source are required/,
    ],
    [
      { model: 'wan2.7-i2v', references: [audio('driving_audio')] },
      /image is required when references with role first_clip are not given/,
    ],
    [
      { model: 'wan2.7-i2v', image: PNG, references: [video('first_clip')] },
      /image must be left out when references with role first_clip are given/,
    ],
    [
      { model: 'wan2.7-i2v', references: [video('first_clip'), audio('driving_audio')] },
      /references with role driving_audio must be left out/,
    ],
    [
      { model: 'seedance-2.5', references: [video('source'), video('first_clip')] },
      /references with role first_clip must be left out when references with role source are given/,
    ],
    [
      { model: 'wan2.7-r2v', duration: 11, references: [video()] },
      /duration must be 2, 3, .* when references of type video are given/,
    ],
    [
      { model: 'seedance-2.0', references: [audio('driving_audio')] },
      /takes no audio file with role driving_audio.*or use wan2\.7-i2v/,
    ],
    [
      { model: 'dashscope-kling-v3-omni', generate_audio: true, references: [video()] },
      /generate_audio must be false/,
    ],
    [{ model: 'dashscope-vidu-q2-pro-r2v', references: [video()] }, /references.*image/],
  ])('%j is refused', (more, message) => {
    expect(refused(body({ ...more })).message).toMatch(message);
  });

  it.each<[object]>([
    [{ model: 'wan2.7-i2v', references: [video('first_clip')], last_frame: PNG }],
    [{ model: 'wan2.7-i2v', image: PNG, references: [audio('driving_audio')] }],
    [{ model: 'wan2.7-r2v', duration: 10, references: [video(), { type: 'image', url: PNG }] }],
    [{ model: 'seedance-2.5', references: [video('source'), { type: 'image', url: PNG }] }],
    [{ model: 'wan3.0-video', duration: -1, references: [video(), { type: 'image', url: PNG }] }],
    [{ model: 'dashscope-kling-v3-omni', references: [video('source')] }],
    [
      {
        model: 'dashscope-vidu-q2-pro-r2v',
        duration: -1,
        references: [{ type: 'image', url: PNG }, video(), video()],
      },
    ],
  ])('%j is accepted', (more) => {
    expect(check({ ...more }).draft.references).toBeDefined();
  });
});

describe('a duration of -1', () => {
  it('lets the model decide, and holds its longest duration', () => {
    const longest = check({ model: 'seedance-2.0', duration: 15 });
    for (const duration of [-1, '-1']) {
      const { draft, price } = check({ model: 'seedance-2.0', duration });
      expect(draft).toMatchObject({ duration: 15, autoDuration: true });
      expect(price).toEqual(longest.price);
    }
    expect(check({ model: 'seedance-2.0' }).draft).not.toHaveProperty('autoDuration');
  });

  it('is refused by models that cannot', () => {
    expect(refused(body({ model: 'seedance-1.5-pro', duration: -1 })).message).toMatch(
      /duration -1 is not possible with seedance-1\.5-pro; allowed: whole numbers from 4 to 12\./,
    );
    expect(refused(body({ model: 'seedance-2.0', duration: -2 })).message).toMatch(
      /allowed: whole numbers from 4 to 15 or -1\./,
    );
  });
});

describe('rules of a model', () => {
  it.each<[Record<string, unknown>, RegExp, string]>([
    [
      { model: 'veo-3.1-generate-001', resolution: '1080p', duration: 4 },
      /duration must be 8 when resolution is 1080p or 4k; change one of the two/,
      'duration',
    ],
    [
      { model: 'veo-3.1-generate-001', last_frame: PNG },
      /image is required when last_frame is given/,
      'image',
    ],
    [
      { model: 'veo-3.1-generate-001', duration: 8, reference_images: [PNG], image: PNG },
      /image must be left out when references are given/,
      'image',
    ],
    [
      { model: 'veo-3.1-generate-001', duration: 8, video_url: 'https://example.com/boat.mp4' },
      /duration must be 7 when video_url is given/,
      'duration',
    ],
    [{ model: 'veo-3.1-generate-001', duration: 7 }, /video_url is required when duration is 7/, 'video_url'],
    [{ model: 'wan2.6-i2v' }, /wan2\.6-i2v: image is required\.$/, 'image'],
    [{ model: 'wan2.7-r2v' }, /references are required\.$/, 'references'],
    [
      { model: 'wan2.2-kf2v-flash', image: PNG },
      /wan2\.2-kf2v-flash: last_frame is required\.$/,
      'last_frame',
    ],
  ])('%j is refused', (more, message, param) => {
    const error = refused(body(more));
    expect(error.message).toMatch(message);
    expect(error.details.param).toBe(param);
  });

  it('that only inform are reported', () => {
    expect(check({ model: 'wan2.7-i2v', image: PNG }).notes).toEqual([
      'The video has the shape of image; aspect_ratio is not sent.',
    ]);
    expect(check({ model: 'wan2.7-t2v' }).notes).toEqual([]);
  });
});
