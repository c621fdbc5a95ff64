import { describe, expect, it } from 'vitest';
import { retryAfterMs } from '../../../src/providers/http/retryAfter.ts';
import {
  bodyOf,
  type ParameterRow,
  refusedOptions,
  withOptions,
} from '../../../src/providers/mapping/body.ts';
import {
  type ErrorRow,
  failureWords,
  reasonOf,
  refusalError,
} from '../../../src/providers/mapping/errorTable.ts';
import { createStatusReader } from '../../../src/providers/mapping/statusTable.ts';
import { UpstreamError } from '../../../src/providers/provider.ts';
import { aRequest } from '../../support/builders.ts';

describe('a body', () => {
  const ROWS: readonly ParameterRow[] = [
    { from: 'prompt', to: 'input.prompt' },
    { from: 'seed', to: 'parameters.seed' },
    { from: 'duration', to: 'parameters.duration', as: (seconds) => String(seconds) },
    { from: 'width', to: 'parameters.size', as: (width, { height }) => `${width}*${height}` },
    { from: 'watermark', to: 'parameters.watermark', as: (on) => (on ? true : undefined) },
  ];

  it('has the parameters of the request at the paths of the table', () => {
    expect(bodyOf(ROWS, aRequest({ seed: 0, watermark: false }))).toEqual({
      input: { prompt: 'a paper boat' },
      parameters: { seed: 0, duration: '4', size: '1280*720' },
    });
  });

  it('is completed by provider options, which cannot change it or set reserved members', () => {
    const rules = {
      own: { model: 'm', parameters: { seed: 1, size: 'a' }, list: [1] },
      reserved: ['callback', 'parameters.count', 'input.prompt'],
    };
    const more = { parameters: { extra: true }, input: { audio: 'a' }, other: [2] };
    expect(withOptions(rules, more)).toEqual({
      model: 'm',
      parameters: { seed: 1, size: 'a', extra: true },
      list: [1],
      input: { audio: 'a' },
      other: [2],
    });
    expect(withOptions(rules, undefined)).toEqual(rules.own);
    expect(refusedOptions(rules, more)).toEqual([]);
    const refused = {
      model: 'dearer',
      parameters: { seed: 1, count: 2, extra: true },
      list: { a: 1 },
      callback: null,
      input: { prompt: 'p' },
    };
    expect(refusedOptions(rules, refused)).toEqual([
      'model',
      'parameters.seed',
      'parameters.count',
      'list',
      'callback',
      'input.prompt',
    ]);
    expect(() => withOptions(rules, refused)).toThrow(/parameters\.seed/);
    // A value in place of an object would replace what is in it.
    for (const option of [{ parameters: 'none' }, { input: [] }, { input: null }]) {
      expect(refusedOptions(rules, option)).toEqual(Object.keys(option));
    }
  });

  it('is merged with objects of any depth', () => {
    const rows: readonly ParameterRow[] = [
      { from: 'prompt', to: 'a.b.text' },
      { from: 'seed', to: 'a.b.seed' },
      { from: 'duration', to: 'a.seconds' },
    ];
    const body = bodyOf(rows, aRequest({ seed: 7 }));
    expect(body).toEqual({ a: { b: { text: 'a paper boat', seed: 7 }, seconds: 4 } });
    expect(withOptions({ own: body, reserved: [] }, { a: { b: { more: { x: 1 } } } })).toEqual({
      a: { b: { text: 'a paper boat', seed: 7, more: { x: 1 } }, seconds: 4 },
    });
  });
});

describe('an error table', () => {
  const TABLE: readonly ErrorRow[] = [
    { code: /^Throttling/, reason: 'rate_limited' },
    { status: 400, message: /unpaid/, reason: 'quota_exhausted' },
    { status: [500, 599], code: 'Busy', reason: 'rate_limited' },
  ];

  it.each([
    [{ code: 'Throttling.RateQuota' }, 'rate_limited'],
    [{ status: 400, message: 'account unpaid' }, 'quota_exhausted'],
    [{ status: 400, message: 'bad size' }, 'invalid_request'],
    [{ status: 503, code: 'Busy' }, 'rate_limited'],
    [{ status: 503, code: 'Other' }, 'upstream_unavailable'],
    [{ status: 401 }, 'auth_failed'],
    [{ status: 402 }, 'quota_exhausted'],
    [{ status: 429 }, 'rate_limited'],
    [{ status: 403 }, 'auth_failed'],
    [{ status: 408 }, 'upstream_timeout'],
    [{ status: 400 }, 'invalid_request'],
    [{ status: 499 }, 'invalid_request'],
    [{ status: 500 }, 'upstream_unavailable'],
    [{ status: 599 }, 'upstream_unavailable'],
    [{ status: 399 }, 'upstream_failed'],
    [{ status: 600 }, 'upstream_failed'],
    [{ status: 599, code: 'Busy' }, 'rate_limited'],
    [{ status: 500, code: 'Busy' }, 'rate_limited'],
    [{ status: 404, code: 'Busy' }, 'invalid_request'],
    [{ code: 'Busy' }, 'upstream_failed'],
    [{ message: 'account unpaid' }, 'upstream_failed'],
    [{ code: 'Unheard' }, 'upstream_failed'],
    [{}, 'upstream_failed'],
  ] as const)('gives %j the reason %s', (refusal, reason) => {
    expect(reasonOf(TABLE, refusal)).toBe(reason);
  });

  it('shows a caller what helps, and hides what concerns the operator', () => {
    const bad = refusalError(TABLE, {
      status: 400,
      message: 'size must be 1280*720, see https://example.com/doc',
    });
    expect(bad.message).toBe('size must be 1280*720, see [link]');
    const unpaid = refusalError(TABLE, { status: 400, message: 'account unpaid' });
    expect(unpaid.message).not.toContain('unpaid');
    expect(unpaid.detail).toContain('account unpaid');
  });

  it.each([
    [400, 'no'],
    [499, 'no'],
    [408, 'unknown'],
    [409, 'unknown'],
    [399, 'unknown'],
    [500, 'unknown'],
    [undefined, 'unknown'],
  ] as const)('says of a call that was refused with %s whether something was made: %s', (status, created) => {
    expect(refusalError([], status === undefined ? {} : { status }).created).toBe(created);
  });

  it('keeps the upstream’s code and time to wait', () => {
    const refusal = { status: 429, code: 'Throttling', retryAfterMs: 7000 };
    expect(refusalError(TABLE, refusal)).toMatchObject({ cause: 'Throttling', retryAfterMs: 7000 });
    const silent = refusalError(TABLE, { status: 400, message: '' });
    expect(silent.cause).toBeUndefined();
    expect(silent.retryAfterMs).toBeUndefined();
    expect(silent.message).toBe(new UpstreamError('invalid_request').message);
    expect(silent.detail).toBe('400');
  });

  it('has the same messages for failed tasks', () => {
    expect(failureWords([], { status: 400, message: 'see https://example.com' })).toMatchObject({
      message: 'see [link]',
      detail: '400 see https://example.com',
    });
    expect(failureWords([], { status: 400, code: '' })).toEqual({
      reason: 'invalid_request',
      message: new UpstreamError('invalid_request').message,
      detail: '400',
    });
    expect(failureWords(TABLE, { code: 'Throttling', message: 'later' })).toEqual({
      reason: 'rate_limited',
      message: 'The upstream provider is limiting requests; the task waits its turn.',
      detail: 'Throttling later',
    });
  });
});

describe('a status word', () => {
  it('that is not documented means running, and is logged once', () => {
    const logged: unknown[] = [];
    const read = createStatusReader(
      { DONE: 'succeeded' },
      { warn: ({ event, word }) => void logged.push([event, word]) },
    );
    expect(read('DONE', 'a')).toBe('succeeded');
    expect(read('toString', 'b')).toBe('in_progress');
    expect(read('NEW', 'c')).toBe('in_progress');
    expect(read('NEW', 'd')).toBe('in_progress');
    expect(logged).toEqual([
      ['upstream.status_unknown', 'toString'],
      ['upstream.status_unknown', 'NEW'],
    ]);
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-11-25T12:00:00Z');
  it.each([
    ['3', 3000],
    ['0.5', 500],
    ['Wed, 25 Nov 2026 12:00:10 GMT', 10_000],
    ['Wed, 25 Nov 2026 11:00:00 GMT', 0],
    ['99999', 600_000],
    ['12.25', 12_250],
    // A date in another form also begins and ends with digits.
    ['2026-11-25T12:00:10+00:00', 10_000],
    ['soon', undefined],
  ])('%s is %s ms', (value, ms) => {
    expect(retryAfterMs({ 'retry-after': value }, now)).toBe(ms);
  });

  it.each([
    ['250', 250],
    ['-1', 0],
    ['99999999', 600_000],
    ['soon', 3000],
  ])('in milliseconds takes precedence: %s is %s ms', (value, ms) => {
    expect(retryAfterMs({ 'retry-after-ms': value, 'retry-after': '3' }, now)).toBe(ms);
  });

  it('is undefined without a header', () => {
    expect(retryAfterMs({}, now)).toBeUndefined();
  });
});
