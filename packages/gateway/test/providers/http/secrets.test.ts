import { describe, expect, it } from 'vitest';
import { createScrub, excerpt, wordsForCaller } from '../../../src/providers/http/secrets.ts';

describe('what the operator reads', () => {
  it('has no secret of the account, wherever and however often it appears', () => {
    const scrub = createScrub(['', 'one', 'two']);
    expect(scrub('one, two and one')).toBe('[secret], [secret] and [secret]');
  });

  it('has no secret of the account as it stands in a query', () => {
    const scrub = createScrub(["a+b/c='d e'"]);
    for (const echoed of [encodeURIComponent("a+b/c='d e'"), new URLSearchParams({ k: "a+b/c='d e'" })])
      expect(scrub(`no such call: /v1?${echoed}`)).toMatch(/^no such call: \/v1\?(k=)?\[secret\]$/);
  });

  it.each([
    ['Bearer abcdefgh, and more', 'Bearer [secret], and more'],
    ['Bearer  abc.def~ghi+/=-_9 here', 'Bearer  [secret] here'],
    ['bearer ABCDEFGH', 'bearer [secret]'],
    ['ya29.a-b.c_d then', '[secret] then'],
    ['?key=a/b then', '?key=[secret] then'],
    ['&key=ab&x=1', '&key=[secret]&x=1'],
    ['?sig=ab', '?sig=[secret]'],
    ['?x=1&X-Amz-Signature=ab"', '?x=1&X-Amz-Signature=[secret]"'],
    ["?signature=ab' then", "?signature=[secret]' then"],
    ['?access_token=ab&token=cd', '?access_token=[secret]&token=[secret]'],
    ['?X-Goog-Security-Token=ab', '?X-Goog-Security-Token=[secret]'],
    ['/v.mp4?_jwt=ab', '/v.mp4?_jwt=[secret]'],
    ['token eyJhbGciOi.eyJpc3Mi-x.a_b-c then', 'token [secret] then'],
  ])('has no token: %s', (text, clean) => {
    expect(createScrub([])(text)).toBe(clean);
  });

  it.each([
    'a Bearer seventy, as words are',
    'a forBearer abcdefgh',
    'xya29.abc',
    'ya29 and more',
    'the key=value pair',
    '?monkey=abc',
    '?tokens=abc',
  ])('is unchanged if it only resembles a token: %s', (text) => {
    expect(createScrub([])(text)).toBe(text);
  });

  it('is cut after it is scrubbed', () => {
    const scrub = createScrub(['a secret']);
    expect(excerpt(`${'x'.repeat(296)}a secret`, scrub)).toBe(`${'x'.repeat(296)}[sec`);
  });
});

describe('what a caller reads', () => {
  it.each([
    ['See https://example.com/a?b=c for more', 'See [link] for more'],
    ['See http://example.com', 'See [link]'],
    ['Reading gs://bucket/a.png or oss://bucket/b failed', 'Reading [link] or [link] failed'],
    ['In projects/my-project/locations/x:y.z it failed', 'In [resource] it failed'],
    ['Bad size. Request id: 0217-ab_c.', 'Bad size.'],
    ['Bad size (request id: 0217abc)', 'Bad size'],
    ['Bad size, request_id 0217abc', 'Bad size,'],
    ['Bad size, RequestId:0217abc, try again', 'Bad size, , try again'],
    ['Bad size, request-id:  0217abc', 'Bad size,'],
    ['  Bad\n\n size\t ', 'Bad size'],
  ])('has no links, resources or ids, and one line: %j', (text, clean) => {
    expect(wordsForCaller(text)).toBe(clean);
  });

  it('keeps words that only resemble them', () => {
    const text = 'The subprojects/a of the prerequest id is no xhttps://address';
    expect(wordsForCaller(text)).toBe(text);
  });

  it('is short', () => {
    expect(wordsForCaller('x'.repeat(1000))).toBe('x'.repeat(300));
  });
});
