import { describe, expect, it } from 'vitest';
import { prefers } from '../../../src/api/http/accept.ts';

describe('whether a client wants the video itself instead of JSON', () => {
  it.each([
    [undefined, false],
    ['*/*', false],
    ['application/json', false],
    ['video/mp4', true],
    ['Video/MP4', true],
    ['video/*', true],
    ['video/mp4;q=0', false],
    ['video/mp4; q=0.000, */*', false],
    ['video/mp4;q=0, video/*', false],
    ['video/mp4;q=0.1', true],
    ['application/json, video/mp4', true],
    ['application/json, video/mp4;q=0.5', false],
    ['application/json;q=0.5, video/mp4;q=0.9', true],
    ['video/mp4;q=0.5, */*', false],
    ['video/mp4, */*;q=0.1', true],
    ['video/mp4;codecs="avc1,mp4a";q=0', false],
    ['video/mp4;q=nonsense', true],
    ['video/mp4v-es', false],
  ])('%s: %s', (header, wanted) => {
    expect(prefers(header, 'video/mp4', 'application/json')).toBe(wanted);
  });
});
