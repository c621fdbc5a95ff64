import { describe, expect, it } from 'vitest';
import {
  draining,
  invalidRequest,
  invalidSettings,
  notConnected,
  OnetakeError,
  taskNotFound,
} from '../../src/tasks/errors.ts';
import { isReason } from '../../src/tasks/reasons.ts';

describe('a domain error', () => {
  it('has a code, a status and details for the caller', () => {
    const error = new OnetakeError('a_code', 409, 'words', { param: 'x' });
    expect(error).toMatchObject({
      name: 'OnetakeError',
      code: 'a_code',
      status: 409,
      message: 'words',
      details: { param: 'x' },
    });
    expect(error).not.toHaveProperty('cause');
  });

  it('carries any kind of cause for the log', () => {
    const cause = new Error('why');
    expect(new OnetakeError('a_code', 500, 'words', {}, cause).cause).toBe(cause);
    expect(new OnetakeError('a_code', 500, 'words', {}, null)).toHaveProperty('cause', null);
  });

  it.each([
    [invalidRequest('words'), 'invalid_request', 400, {}],
    [invalidRequest('words', 'prompt'), 'invalid_request', 400, { param: 'prompt' }],
    [invalidRequest('words', undefined, 'model_not_found'), 'model_not_found', 400, {}],
    [invalidSettings(['one', 'two']), 'invalid_settings', 400, {}],
    [taskNotFound(), 'not_found', 404, {}],
    [draining(), 'draining', 503, { retryAfterSeconds: 2 }],
    [notConnected(), 'not_connected', 503, { retryAfterSeconds: 1 }],
  ])('%s is returned as %s, %i', (error, code, status, details) => {
    expect(error.code).toBe(code);
    expect(error.status).toBe(status);
    expect(error.details).toStrictEqual(details);
  });

  it('of the settings lists every problem', () => {
    expect(invalidSettings(['one', 'two']).message).toMatch(/\n {2}one\n {2}two$/);
  });
});

describe('a string', () => {
  it('is recognised as a reason, or not', () => {
    expect(isReason('expired')).toBe(true);
    // Every object has a property with this name.
    for (const word of ['nothing', 'toString', '', undefined]) expect(isReason(word)).toBe(false);
  });
});
