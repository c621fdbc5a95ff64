import { describe, expect, it } from 'vitest';
import { isOwnTrouble, lostCall, ownErrorIn } from '../../../src/providers/http/lostCall.ts';
import { SendRefused, UpstreamError } from '../../../src/providers/provider.ts';

const coded = (code: string, message = 'it failed') => Object.assign(new Error(message), { code });
const named = (name: string) => Object.assign(new Error('given up'), { name });
const lost = (error: unknown) => lostCall(error, (text) => text.replaceAll('secret', '[secret]'));

describe('a call without an answer', () => {
  it.each([
    'ECONNREFUSED',
    'ENOTFOUND',
    'EAI_AGAIN',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'EADDRNOTAVAIL',
    'EMFILE',
    'ENFILE',
    'UND_ERR_CONNECT_TIMEOUT',
    'CERT_HAS_EXPIRED',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'UND_ERR_PRX_CONN',
    'UND_ERR_PRX_TLS',
    'UND_ERR_INVALID_ARG',
    'UND_ERR_NOT_SUPPORTED',
  ])('created nothing if nothing was sent: %s', (code) => {
    expect(lost(coded(code)).created).toBe('no');
    expect(lost(new TypeError('fetch failed', { cause: coded(code) })).created).toBe('no');
  });

  it('created nothing if no address was reachable, and may have if one was', () => {
    const refused = [coded('ECONNREFUSED'), coded('EHOSTUNREACH')];
    expect(lost(new AggregateError(refused)).created).toBe('no');
    expect(lost(new AggregateError([...refused, coded('ECONNRESET')])).created).toBe('unknown');
  });

  it.each(['Proxy response (407) !== 200 when HTTP Tunneling', 'Proxy Authentication Required'])(
    'made nothing where a proxy let nothing through: %s',
    (words) => {
      expect(lost(new Error(words)).created).toBe('no');
    },
  );

  it.each<[string, unknown]>([
    ['a connection that was reset', coded('ECONNRESET')],
    ['an error without a code', new Error('it failed')],
    ['the words of a proxy in another error', new Error('Upstream says: Proxy Authentication Required')],
    ['other words of a proxy', new Error('Proxy connection lost')],
    ['what is no error', { message: 'Proxy Authentication Required' }],
    ['headers that do not come', coded('UND_ERR_HEADERS_TIMEOUT')],
  ])('may have created a job after %s', (_what, error) => {
    expect(lost(error).created).toBe('unknown');
  });

  it.each<[string, unknown]>([
    ['headers', coded('UND_ERR_HEADERS_TIMEOUT')],
    ['a body', coded('UND_ERR_BODY_TIMEOUT')],
    ['a connection', coded('UND_ERR_CONNECT_TIMEOUT')],
    ['the network', coded('ETIMEDOUT')],
    ['one of two addresses', new AggregateError([coded('ETIMEDOUT'), coded('ECONNREFUSED')])],
    ['the time of the call', named('TimeoutError')],
    ['a caller that gave up', named('AbortError')],
  ])('timed out while it waited for %s', (_what, error) => {
    expect(lost(error).reason).toBe('upstream_timeout');
  });

  it.each<[string, unknown]>([
    ['a connection that was reset', coded('ECONNRESET')],
    ['another name', named('TypeError')],
    ['what is no error', { name: 'TimeoutError' }],
  ])('is a failure of the upstream after %s', (_what, error) => {
    expect(lost(error).reason).toBe('upstream_unavailable');
  });

  it('is a failure of this machine if that has run out of a resource', () => {
    expect(lost(coded('EMFILE')).ours).toBe('machine');
    expect(lost(coded('ECONNREFUSED')).ours).toBeUndefined();
  });

  it('has codes and message for the operator, without secrets, and keeps the error', () => {
    const error = new TypeError('fetch failed for secret', { cause: coded('ECONNRESET') });
    expect(lost(error)).toMatchObject({ detail: 'ECONNRESET fetch failed for [secret]', cause: error });
    expect(lost('it broke').detail).toBe('it broke');
  });

  it('is the UpstreamError that a library has wrapped', () => {
    const ours = new UpstreamError('quota_exhausted');
    expect(lost(ours)).toBe(ours);
    expect(lost(new Error('outer', { cause: new Error('inner', { cause: ours }) }))).toBe(ours);
    expect(ownErrorIn(new Error('outer', { cause: 'words' }))).toBeUndefined();
    expect(ownErrorIn(new Error('outer'))).toBeUndefined();
    expect(ownErrorIn('words')).toBeUndefined();
  });
});

describe('trouble of this node', () => {
  const because = (code: string) => new UpstreamError('upstream_unavailable', { cause: coded(code) });

  it.each<[string, unknown]>([
    ['a send that is not allowed', new SendRefused()],
    ['a defect of an adapter', new TypeError('x is not a function')],
    ...['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EADDRNOTAVAIL'].map((code): [string, unknown] => [
      code,
      because(code),
    ]),
  ])('is %s', (_what, error) => {
    expect(isOwnTrouble(error)).toBe(true);
  });

  it.each<[string, unknown]>([
    ['an answer of the upstream', new UpstreamError('upstream_unavailable')],
    ['a connection that was reset', because('ECONNRESET')],
  ])('is not %s', (_what, error) => {
    expect(isOwnTrouble(error)).toBe(false);
  });
});
