import { describe, expect, it } from 'vitest';
import { checkConditions, chosenRange } from '../../../src/api/http/conditions.ts';

const AT = Date.UTC(2026, 10, 28, 12, 0, 0);
const DATE = 'Sat, 28 Nov 2026 12:00:00 GMT';
const BEFORE = 'Sat, 28 Nov 2026 11:59:59 GMT';
const AFTER = 'Sat, 28 Nov 2026 12:00:01 GMT';
/** Storage times have milliseconds, HTTP dates only seconds. */
const CURRENT = { etag: '"a"', modifiedAt: AT + 999 };

function verdictOn(headers: Record<string, string>, { method = 'GET', current = CURRENT } = {}): string {
  try {
    return checkConditions(headers, method, current);
  } catch (error) {
    expect(error).toMatchObject({ status: 412, code: 'precondition_failed' });
    return 'failed';
  }
}

describe('preconditions, as in RFC 9110', () => {
  it.each<[string, Record<string, string>, string]>([
    ['no precondition', {}, 'proceed'],
    ['13.1.1 If-Match: the tag', { 'if-match': '"a"' }, 'proceed'],
    ['13.1.1 If-Match: another tag', { 'if-match': '"b"' }, 'failed'],
    ['13.1.1 If-Match: one of several', { 'if-match': '"b", "a"' }, 'proceed'],
    ['13.1.1 If-Match: any', { 'if-match': '*' }, 'proceed'],
    ['13.1.1 If-Match: strong comparison only', { 'if-match': 'W/"a"' }, 'failed'],
    ['13.1.1 If-Match: what is no tag', { 'if-match': 'a' }, 'failed'],
    ['13.1.2 If-None-Match: the tag', { 'if-none-match': '"a"' }, 'not_modified'],
    ['13.1.2 If-None-Match: weak comparison', { 'if-none-match': 'W/"a"' }, 'not_modified'],
    ['13.1.2 If-None-Match: another tag', { 'if-none-match': '"b"' }, 'proceed'],
    ['13.1.2 If-None-Match: one of several', { 'if-none-match': '"b",W/"c" ,"a"' }, 'not_modified'],
    ['13.1.2 If-None-Match: any', { 'if-none-match': '*' }, 'not_modified'],
    ['13.1.2 a star in quotes is a tag', { 'if-none-match': '"*"' }, 'proceed'],
    ['8.8.3 a tag may hold commas', { 'if-none-match': '"x,"a",y"' }, 'proceed'],
    ['13.1.3 If-Modified-Since: the same time', { 'if-modified-since': DATE }, 'not_modified'],
    ['13.1.3 If-Modified-Since: later', { 'if-modified-since': AFTER }, 'not_modified'],
    ['13.1.3 If-Modified-Since: earlier', { 'if-modified-since': BEFORE }, 'proceed'],
    ['13.1.3 a date that is none is ignored', { 'if-modified-since': 'tomorrow' }, 'proceed'],
    ['13.1.3 a year is no date', { 'if-modified-since': '2999' }, 'proceed'],
    ['13.1.3 an ISO date is none', { 'if-modified-since': '2999-01-01T00:00:00Z' }, 'proceed'],
    ['13.1.3 a day that does not exist', { 'if-modified-since': 'Sat, 99 Nov 2026 12:00:00 GMT' }, 'proceed'],
    [
      '5.6.7 the format of RFC 850',
      { 'if-modified-since': 'Saturday, 28-Nov-26 12:00:00 GMT' },
      'not_modified',
    ],
    ['5.6.7 the format of asctime', { 'if-modified-since': 'Sat Nov 28 12:00:00 2026' }, 'not_modified'],
    ['13.1.4 If-Unmodified-Since: the same time', { 'if-unmodified-since': DATE }, 'proceed'],
    ['13.1.4 If-Unmodified-Since: earlier', { 'if-unmodified-since': BEFORE }, 'failed'],
    ['13.1.4 a date that is none is ignored', { 'if-unmodified-since': 'yesterday' }, 'proceed'],
    [
      '13.2.2 If-Match comes before If-Unmodified-Since',
      { 'if-match': '"a"', 'if-unmodified-since': BEFORE },
      'proceed',
    ],
    [
      '13.2.2 If-None-Match comes before If-Modified-Since',
      { 'if-none-match': '"b"', 'if-modified-since': AFTER },
      'proceed',
    ],
    ['13.2.2 If-Match comes first of all', { 'if-match': '"b"', 'if-none-match': '"a"' }, 'failed'],
    ['13.2.2 then If-None-Match', { 'if-match': '"a"', 'if-none-match': '"a"' }, 'not_modified'],
  ])('%s', (_section, headers, expected) => {
    expect(verdictOn(headers)).toBe(expected);
    expect(verdictOn(headers, { method: 'HEAD' })).toBe(expected);
  });

  it('13.1.2 a request that would change something gets 412 instead of 304', () => {
    expect(verdictOn({ 'if-none-match': '*' }, { method: 'DELETE' })).toBe('failed');
    expect(verdictOn({ 'if-modified-since': AFTER }, { method: 'DELETE' })).toBe('proceed');
  });

  it('13.1.1 a weak tag never matches strongly, not even the same tag', () => {
    expect(verdictOn({ 'if-match': 'W/"a"' }, { current: { ...CURRENT, etag: 'W/"a"' } })).toBe('failed');
  });
});

describe('ranges, as in RFC 9110', () => {
  const range = (headers: Record<string, string>, method = 'GET', bytes = 1000) =>
    chosenRange(headers, method, bytes, CURRENT);
  const of = (start: number, end: number) => ({ start, end });
  const ALL = undefined;

  it.each<[string, string, ReturnType<typeof range>]>([
    ['14.1.2 first and last', 'bytes=0-99', of(0, 99)],
    ['14.1.2 to the end', 'bytes=100-', of(100, 999)],
    ['14.1.2 a suffix', 'bytes=-50', of(950, 999)],
    ['14.1.2 a suffix that is longer than all', 'bytes=-5000', of(0, 999)],
    ['14.1.2 an end beyond the last byte', 'bytes=990-5000', of(990, 999)],
    ['14.1.2 an end beyond all numbers', `bytes=0-${'9'.repeat(40)}`, of(0, 999)],
    ['14.1.2 an empty suffix', 'bytes=-0', 'unsatisfiable'],
    ['14.1.1 a start behind the end', 'bytes=1000-', 'unsatisfiable'],
    ['14.1.1 a start beyond all numbers', `bytes=${'9'.repeat(40)}-`, 'unsatisfiable'],
    ['14.1.1 all of several outside', 'bytes=1000-,2000-3000', 'unsatisfiable'],
    ['14.1.1 one inside beside one outside', 'bytes=0-9,5000-6000', of(0, 9)],
    ['14.1.1 the same in the other order', 'bytes=5000-6000, 0-9', of(0, 9)],
    ['14.1.1 an empty suffix beside one inside', 'bytes=-0,5-6', of(5, 6)],
    ['14.2 ranges that overlap are one', 'bytes=0-9,5-20', of(0, 20)],
    ['14.2 ranges that touch are one', 'bytes=10-19, 0-9', of(0, 19)],
    ['14.2 several apart: everything', 'bytes=0-1,5-9', ALL],
    ['14.1 units may be written as one likes', 'Bytes=0-9', of(0, 9)],
    ['5.6.1 empty list elements', 'bytes=,0-9,', of(0, 9)],
    ['14.2 another unit is ignored', 'lines=0-9', ALL],
    ['14.2 what cannot be read is ignored', 'bytes=abc', ALL],
    ['14.2 also beside what can', 'bytes=0-9,abc', ALL],
    ['14.1.1 an end before the start makes it invalid', 'bytes=9-0', ALL],
    ['14.2 no range at all', 'bytes=', ALL],
    ['14.2 no number', 'bytes=-', ALL],
    ['14.2 a sign', 'bytes=+1-2', ALL],
  ])('%s: %s', (_section, header, expected) => {
    expect(range({ range: header })).toEqual(expected);
  });

  it.each(['HEAD', 'POST'])('14.2 %s ignores ranges', (method) => {
    expect(range({ range: 'bytes=0-9' }, method)).toBeUndefined();
    expect(range({ range: 'bytes=5000-' }, method)).toBeUndefined();
  });

  it.each<[string, string, boolean]>([
    ['the tag', '"a"', true],
    ['another tag', '"b"', false],
    ['a weak tag, whose comparison is strong', 'W/"a"', false],
    ['the time', DATE, true],
    ['an earlier time', BEFORE, false],
    ['a later time instead of the exact one', AFTER, false],
    ['an invalid date', 'yesterday', false],
    ['a star, which is not allowed in If-Range', '*', false],
  ])('13.1.5 If-Range: %s', (_what, ifRange, holds) => {
    expect(range({ range: 'bytes=0-9', 'if-range': ifRange })).toEqual(holds ? of(0, 9) : ALL);
    expect(range({ range: 'bytes=5000-', 'if-range': ifRange })).toEqual(holds ? 'unsatisfiable' : ALL);
  });
});
