import { describe, expect, it } from 'vitest';
import {
  anotherKey,
  contentTypeOf,
  isMediaKey,
  laterKey,
  MissingObject,
  mediaIdOf,
  requireMediaKey,
} from '../../src/media/key.ts';
import { videoLimitOf } from '../../src/media/videoLimit.ts';

describe('a media key', () => {
  it.each(['video/a.mp4', 'poster/0123_ab-C.jpg', `${'a'.repeat(32)}/${'b'.repeat(128)}.12345678`])(
    'may be %s',
    (key) => {
      expect(isMediaKey(key)).toBe(true);
      expect(() => requireMediaKey(key)).not.toThrow();
    },
  );

  it.each([
    '',
    'video/a',
    'a.mp4',
    '/a.mp4',
    'video/.mp4',
    'video/a.',
    'Video/a.mp4',
    'video/a.MP4',
    'video/a b.mp4',
    'video/../a.mp4',
    'video/a.b.mp4',
    'x/video/a.mp4',
    'video/a.mp4/x',
    `${'a'.repeat(33)}/b.mp4`,
    `video/${'b'.repeat(129)}.mp4`,
    'video/a.123456789',
    'video/a.mp4\n',
  ])('may not be %j', (key) => {
    expect(isMediaKey(key)).toBe(false);
    expect(() => requireMediaKey(key)).toThrow(`"${key}" is not a media key`);
  });

  it('contains the id of its row, also a later key of the same row', () => {
    expect(mediaIdOf('video/ab-1v.mp4')).toBe('ab-1v');
    expect(laterKey('video/ab-1v.mp4', 'remuxed')).toBe('video/ab-1v_remuxed.mp4');
    expect(laterKey('video/ab-1v_remuxed.mp4', '12')).toBe('video/ab-1v_12.mp4');
    const another = anotherKey('video/ab-1v_remuxed.mp4');
    expect(another).toMatch(/^video\/ab-1v_[0-9a-f]{8}\.mp4$/);
    expect(mediaIdOf(another)).toBe('ab-1v');
    expect(anotherKey(another)).not.toBe(another);
  });

  it.each([
    ['video/a.mp4', 'video/mp4'],
    ['poster/a.jpg', 'image/jpeg'],
    ['input/a.png', 'image/png'],
    ['input/a.webp', 'image/webp'],
    ['other/a.bin', 'application/octet-stream'],
  ])('%s is stored as %s', (key, type) => {
    expect(contentTypeOf(key)).toBe(type);
  });

  it('is named in the error if it has no object', () => {
    expect(new MissingObject('video/a.mp4')).toMatchObject({
      name: 'MissingObject',
      message: expect.stringContaining('video/a.mp4'),
    });
  });
});

it('a video may have six bytes per pixel and second, plus 256 MiB', () => {
  expect(videoLimitOf({ duration: 2.5, width: 3, height: 2 })).toBe(256 * 2 ** 20 + 90);
  expect(videoLimitOf({ duration: 0.1, width: 3, height: 2 })).toBe(256 * 2 ** 20 + 4);
});
