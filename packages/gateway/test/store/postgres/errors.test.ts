import { DatabaseError } from 'pg';
import { describe, expect, it } from 'vitest';
import { StoreRefused, StoreUnavailable } from '../../../src/store/errors.ts';
import {
  asStoreError,
  isAnswer,
  isStalePlan,
  isUnavailable,
  mayBeOneWrite,
  reasonOf,
  unusableDatabase,
  wasCut,
} from '../../../src/store/postgres/errors.ts';
import { OnetakeError } from '../../../src/tasks/errors.ts';

const fromServer = (code: string | undefined, more: object = {}) =>
  Object.assign(new DatabaseError('words of the server', 5, 'error'), { code, ...more });
const fromNode = (code: string, message = `${code} of Node`) => Object.assign(new Error(message), { code });
const unavailable = (cause: unknown) => new StoreUnavailable('not now', 2, cause);

describe('a driver error', () => {
  it.each([
    ['23505', true],
    ['53100', true],
    ['40P01', true],
    ['08006', false],
    ['57P01', false],
    ['25006', false],
    [undefined, false],
  ])('with the code %s leaves the connection usable: %s', (code, used) => {
    expect(isAnswer(fromServer(code))).toBe(used);
  });

  it('that the server did not send means that its connection is lost', () => {
    expect([isAnswer(fromNode('23505')), isAnswer('23505')]).toEqual([false, false]);
  });

  it.each([
    [fromServer('0A000', { routine: 'RevalidateCachedQuery' }), true],
    [fromServer('0A000', { routine: 'another' }), false],
    [fromServer('23505', { routine: 'RevalidateCachedQuery' }), false],
    [fromServer('26000'), true],
    [fromServer('42P05'), true],
    [fromServer(undefined), false],
    [fromNode('26000'), false],
  ])('is that of an outdated plan, or not', (error, stale) => {
    expect(isStalePlan(error)).toBe(stale);
  });

  it('is translated for the caller', () => {
    const own = new OnetakeError('gone', 410, 'gone');
    expect(asStoreError(own)).toBe(own);
    const refused = asStoreError(fromServer('23505'));
    expect(refused).toBeInstanceOf(StoreRefused);
    expect(refused).toMatchObject({ cause: { code: '23505' } });
    for (const error of [fromServer('40001'), fromServer('42P01'), fromNode('23505')]) {
      expect(asStoreError(error)).toBeInstanceOf(StoreUnavailable);
      expect(asStoreError(error)).toMatchObject({ cause: error, details: { retryAfterSeconds: 2 } });
    }
  });

  it.each([
    [fromServer('42501'), /no longer lets the gateway do its work/],
    [fromServer('53100'), /no space left/],
    [fromServer('25006'), /read-only/],
    [fromServer('57P01'), /cannot reach its database/],
    [fromNode('53100'), /cannot reach its database/],
  ])('gets a message that anybody may read', (error, words) => {
    expect(asStoreError(error)).toMatchObject({ message: expect.stringMatching(words) });
    expect(String(asStoreError(error))).not.toContain('words of the server');
  });
});

describe('an error of the store', () => {
  it('means that it is unavailable, or something else', () => {
    expect(isUnavailable(unavailable(undefined))).toBe(true);
    expect(isUnavailable(new StoreRefused(fromServer('23505')))).toBe(false);
    expect(isUnavailable(fromNode('store_unavailable'))).toBe(false);
  });

  it.each([
    [unavailable(fromServer('08006')), true],
    [unavailable(fromServer('57P01')), true],
    [unavailable(fromServer('53300')), false],
    [unavailable(new Error('Connection terminated unexpectedly')), true],
    [unavailable(new Error('Client has encountered a connection error and is not queryable')), true],
    [unavailable(fromNode('ECONNRESET', 'read')), true],
    [unavailable(fromNode('EPIPE', 'write')), true],
    [unavailable(new Error('timeout expired')), false],
    [unavailable('EPIPE'), false],
    [new StoreRefused(fromServer('57P01')), false],
    [fromNode('EPIPE'), false],
  ])('comes from a connection that the other end has closed, or not', (error, cut) => {
    expect(wasCut(error)).toBe(cut);
  });

  it.each([
    [fromServer('23505'), true],
    [fromServer('40P01'), true],
    [new StoreRefused(fromServer('22P02')), true],
    [unavailable(fromServer('40001')), true],
    [unavailable(fromServer('53100')), false],
    [fromServer('57P01'), false],
    [new Error('23505'), false],
    [new Error('wrapped', { cause: fromServer('23505') }), false],
  ])('may be caused by one write of many, or not', (error, one) => {
    expect(mayBeOneWrite(error)).toBe(one);
  });
});

describe('a database that cannot be used at a start', () => {
  const URL = 'postgres://u:hush@h:1/d';

  it('is named, with what to do and the server’s message', () => {
    const error = unusableDatabase(URL, fromServer('28P01'));
    expect(error).toMatchObject({ code: 'database_unusable', status: 503, cause: { code: '28P01' } });
    expect(error.message).toMatch(
      /^The database d at h:1 cannot be used: the password is wrong .*\(words of the server\)\.$/,
    );
  });

  it('is also named if the store has already translated the error', () => {
    const cause = fromNode('ECONNREFUSED');
    expect(unusableDatabase(URL, unavailable(cause))).toMatchObject({
      code: 'database_unusable',
      cause,
      message: expect.stringMatching(/nothing listens there.*ECONNREFUSED of Node/),
    });
    const own = new OnetakeError('database_too_old', 503, 'too old');
    expect(unusableDatabase(URL, own)).toBe(own);
  });

  it('is reported once for all addresses that were tried in vain', () => {
    const tried = [
      fromNode('ECONNREFUSED', 'refused by ::1'),
      fromNode('ECONNREFUSED', 'refused by ::1'),
      'nobody',
    ];
    expect(reasonOf(new AggregateError(tried))).toMatch(
      /^nothing listens there.*\(refused by ::1; nobody\)$/,
    );
    expect(reasonOf('no words')).toMatch(/^check ONETAKE_DATABASE_URL.*\(no words\)$/);
    expect(reasonOf(Object.assign(new Error('odd'), { code: 42 }))).toMatch(/^check ONETAKE_DATABASE_URL/);
  });
});
