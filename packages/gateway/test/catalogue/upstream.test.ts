import { describe, expect, it } from 'vitest';
import { asStored, builtIn, check } from './builtIn.ts';

const PNG = 'https://example.com/a.png';
const sent = (body: Record<string, unknown>) => {
  const request = builtIn.upstreamRequest(asStored(check(body).draft));
  if (!request) throw new Error('a model that was checked is there');
  return request;
};
const nameAt = (body: Record<string, unknown>, service?: string) =>
  builtIn.upstreamModelAt(
    { providerId: 'any', official: false, ...(service === undefined ? {} : { service }) },
    asStored(check(body).draft),
  );

describe('a value that an upstream does not accept is rounded, and the caller is informed', () => {
  it.each<[Record<string, unknown>, object, readonly string[]]>([
    [{ duration: 5 }, { duration: 4 }, ['Sora 2 makes no video of 5 s; 4 s are made.']],
    [{ duration: 10 }, { duration: 12 }, ['Sora 2 makes no video of 10 s; 12 s are made.']],
    [{ duration: 15 }, { duration: 16 }, ['Sora 2 makes no video of 15 s; 16 s are made.']],
    [{ duration: 8 }, { duration: 8, width: 1280, height: 720 }, []],
    [
      { duration: 4, resolution: '480p', aspect_ratio: '9:16' },
      { resolution: '720p', aspectRatio: '9:16', width: 720, height: 1280 },
      ['Sora 2 does not take resolution 480p; 720p is made, 720x1280.'],
    ],
    [
      { duration: 4, aspect_ratio: '1:1' },
      { aspectRatio: '16:9', width: 1280, height: 720 },
      ['Sora 2 does not take aspect_ratio 1:1; 16:9 is made, 1280x720.'],
    ],
  ])('sora-2 with %j', (body, upstream, notes) => {
    expect(sent({ model: 'sora-2', ...body })).toMatchObject(upstream);
    expect(check({ model: 'sora-2', ...body }).notes).toEqual(notes);
  });

  it('and the task keeps the requested value', () => {
    const { draft } = check({ model: 'sora-2', duration: 5, resolution: '480p' });
    expect(draft).toMatchObject({ duration: 5, resolution: '480p', width: 854, height: 480 });
  });

  it('but a size without a name is kept', () => {
    expect(sent({ model: 'sora-2-pro', duration: 4, size: '1024x1792' })).toMatchObject({
      width: 1024,
      height: 1792,
    });
  });
});

describe('style', () => {
  it('is appended to the prompt if the upstream has no such parameter', () => {
    const request = sent({ model: 'wanx-video-v1', prompt: 'a boat', style: 'ink' });
    expect(request.prompt).toBe('a boat\nStyle: ink');
    expect(request).not.toHaveProperty('style');
  });

  it('is optional', () => {
    expect(sent({ model: 'wanx-video-v1', prompt: 'a boat' }).prompt).toBe('a boat');
  });
});

describe('the upstream name of a model', () => {
  it('is its own', () => {
    expect(nameAt({ model: 'veo-3.1-generate-001' })).toBe('veo-3.1-generate-001');
  });

  it('differs by service', () => {
    const body = { model: 'seedance-2.0' };
    expect(nameAt(body)).toBe('doubao-seedance-2-0-260128');
    expect(nameAt(body, 'byteplus')).toBe('dreamina-seedance-2-0-260128');
    expect(nameAt(body, 'nowhere')).toBe('doubao-seedance-2-0-260128');
  });

  it('differs for a request with an image', () => {
    expect(nameAt({ model: 'wanx-video-v1' })).toBe('wan2.7-t2v');
    expect(nameAt({ model: 'wanx-video-v1', image: PNG })).toBe('wan2.7-i2v');
  });

  it('differs for a request with one frame or two', () => {
    const vidu = 'dashscope-vidu-q3-pro';
    expect(nameAt({ model: vidu })).toBe('vidu/viduq3-pro_text2video');
    expect(nameAt({ model: vidu, image: PNG })).toBe('vidu/viduq3-pro_img2video');
    expect(nameAt({ model: vidu, image: PNG, last_frame: PNG })).toBe('vidu/viduq3-pro_start-end2video');
  });

  it.each([
    ['veo-3.0-generate-preview', 'veo-3.1-generate-001', /Google shut down Veo 3\.0/],
    ['veo-3.0-fast-generate-001', 'veo-3.1-fast-generate-001', /shut down Veo 3\.0/],
    ['veo-3.1-generate-preview', 'veo-3.1-generate-001', /replaced the previews/],
    ['seedance-1.0', 'doubao-seedance-1-0-pro-250528', /took the lite models offline/],
    ['seedance-1.5-pro', 'doubao-seedance-2-0-260128', /replaced it with Seedance 2/],
  ])('%s is served by %s, and the caller is informed', (model, upstreamModel, why) => {
    expect(nameAt({ model })).toBe(upstreamModel);
    const [note = ''] = check({ model }).notes;
    expect(note).toMatch(why);
    expect(note).toContain(`was retired on 2026-`);
    expect(note).toContain(`${upstreamModel} serves it`);
  });
});
