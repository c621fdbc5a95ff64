import { errorCodes, isMachineTrouble } from '../../net/machineTrouble.ts';
import { proxyOf } from '../../net/proxies.ts';
import { SendRefused, UpstreamError } from '../provider.ts';
import type { Scrub } from './secrets.ts';

/** Failures before the first byte of the request was sent. */
const NEVER_SENT: ReadonlySet<string> = new Set([
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
  // The proxy did not connect.
  'UND_ERR_PRX_CONN',
  'UND_ERR_PRX_TLS',
  // The client does not accept the request, such as a header with a line break.
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
]);

const TIMED_OUT: ReadonlySet<string> = new Set([
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'ETIMEDOUT',
]);

/** Failures that a wrong address causes, besides a service that is down. */
const WRONG_ADDRESS: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EPROTO',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'HPE_INVALID_CONSTANT',
]);

/**
 * The error of a call without an answer. `advice`: what the operator does if the address may be wrong. `created` is `unknown`, because the upstream may have received the request, unless no
 * byte of it was sent. If an error of this gateway caused the failure, it is returned itself.
 */
export function lostCall(error: unknown, scrub: Scrub, advice?: string): UpstreamError {
  const ours = ownErrorIn(error);
  if (ours) return ours;
  const codes = errorCodes(error);
  const aborted = error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError');
  const proxy = proxyOf(error);
  const timedOut = aborted || codes.some((code) => TIMED_OUT.has(code));
  return new UpstreamError(timedOut ? 'upstream_timeout' : 'upstream_unavailable', {
    created: neverSent(error) ? 'no' : 'unknown',
    ...(isMachineTrouble(error) ? { ours: 'machine' } : {}),
    detail: scrub(
      [
        ...codes,
        error instanceof Error ? error.message : String(error),
        // For the operator: what does not answer may be the proxy.
        ...(proxy === undefined ? [] : [`(through the proxy ${proxy})`]),
        ...(advice !== undefined && codes.some((code) => WRONG_ADDRESS.has(code)) ? [`(${advice})`] : []),
      ].join(' '),
    ),
    cause: error,
  });
}

/**
 * Whether certainly no byte of a call reached its server. Includes a proxy that refused the tunnel or the credentials, which undici reports only
 * in the message.
 */
export function neverSent(error: unknown): boolean {
  if (error instanceof Error && /^Proxy (?:response \(|Authentication Required)/.test(error.message))
    return true;
  const codes = errorCodes(error);
  return codes.length > 0 && codes.every((code) => NEVER_SENT.has(code));
}

/** The `UpstreamError` behind an error of a client library that wrapped it; undefined if there is none. */
export function ownErrorIn(error: unknown): UpstreamError | undefined {
  if (error instanceof UpstreamError) return error;
  return error instanceof Error && error.cause !== undefined ? ownErrorIn(error.cause) : undefined;
}

/** This machine has run out of a resource, so no request to any upstream can be sent. */
const OWN_TROUBLE: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EADDRNOTAVAIL']);

/** Whether only this node caused the failure: it may not send, it has run out of a resource, or an adapter has a bug. */
export const isOwnTrouble = (error: unknown): boolean =>
  error instanceof SendRefused ||
  !(error instanceof UpstreamError) ||
  errorCodes(error.cause).some((code) => OWN_TROUBLE.has(code));
