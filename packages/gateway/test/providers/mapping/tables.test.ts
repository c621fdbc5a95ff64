import { describe, expect, it } from 'vitest';
import { retryAfterMs } from '../../../src/providers/http/retryAfter.ts';
import { bodyOf, type ParameterRow, withOptions } from '../../../src/providers/mapping/body.ts';
import {
  type ErrorRow,
  failureWords,
  reasonOf,
  refusalError,
} from '../../../src/providers/mapping/errorTable.ts';
import { createStatusReader } from '../../../src/providers/mapping/statusTable.ts';
import { aRequest } from '../../support/builders.ts';

describe('a body', () => {
  const ROWS: readonly ParameterRow[] = [
    { from: 'prompt', to: 'input.prompt' },
    { from: 'seed', to: 'parameters.seed' },
    { from: 'duration', to: 'parameters.duration', as: (seconds) => String(seconds) },
    { from: 'width', to: 'parameters.size', as: (width, { height }) => `${width}*${height}` },
    { from: 'watermark', to: 'parameters.watermark', as: (on) => (on ? true : undefined) },
  ];

  it('has what the request has, where the table says', () => {
    expect(bodyOf(ROWS, aRequest({ seed: 0, watermark: false }))).toEqual({
      input: { prompt: 'a paper boat' },
      parameters: { seed: 0, duration: '4', size: '1280*720' },
    });
  });

  it('takes provider options over it, but never what is reserved', () => {
    const body = { model: 'm', parameters: { seed: 1, size: 'a' } };
    const options = { model: 'dearer', parameters: { seed: 2, extra: true } };
    expect(withOptions(body, options, ['model'])).toEqual({
      model: 'm',
      parameters: { seed: 2, size: 'a', extra: true },
    });
    expect(body.parameters.seed).toBe(1);
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
    [{ code: 'Unheard' }, 'upstream_failed'],
  ] as const)('gives %j the reason %s', (refusal, reason) => {
    expect(reasonOf(TABLE, refusal)).toBe(reason);
  });

  it('lets a caller read what helps, and keeps the operator’s affairs from them', () => {
    const bad = refusalError(TABLE, {
      status: 400,
      message: 'size must be 1280*720, see https://example.com/doc',
    });
    expect(bad.message).toBe('size must be 1280*720, see [link]');
    const unpaid = refusalError(TABLE, { status: 400, message: 'account unpaid' });
    expect(unpaid.message).not.toContain('unpaid');
    expect(unpaid.detail).toContain('account unpaid');
  });

  it('words a failed task the same way', () => {
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
    ['soon', undefined],
  ])('%s is %s ms', (value, ms) => {
    expect(retryAfterMs({ 'retry-after': value }, now)).toBe(ms);
  });
});
