import { errorCodes, isMachineTrouble } from '../../net/machineTrouble.ts';
import { SendRefused, UpstreamError } from '../provider.ts';
import type { Scrub } from './secrets.ts';

/** Failures before a connection stands: not a byte of the request has left. */
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
  // No way through a proxy.
  'UND_ERR_PRX_CONN',
  'UND_ERR_PRX_TLS',
]);

const TIMED_OUT: ReadonlySet<string> = new Set([
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'ETIMEDOUT',
]);

/** The error of a call without an answer, ours where one of ours is behind it: whether the upstream has the request nobody can know, unless none could leave. */
export function lostCall(error: unknown, scrub: Scrub): UpstreamError {
  const ours = ownErrorIn(error);
  if (ours) return ours;
  const codes = errorCodes(error);
  const aborted = error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError');
  const timedOut = aborted || codes.some((code) => TIMED_OUT.has(code));
  return new UpstreamError(timedOut ? 'upstream_timeout' : 'upstream_unavailable', {
    created: neverSent(error, codes) ? 'no' : 'unknown',
    ...(isMachineTrouble(error) ? { ours: 'machine' } : {}),
    detail: scrub([...codes, error instanceof Error ? error.message : String(error)].join(' ')),
    cause: error,
  });
}

/** Also where a proxy made no tunnel, or asks for other credentials, which undici tells by its words alone. */
function neverSent(error: unknown, codes: readonly string[]): boolean {
  if (error instanceof Error && /^Proxy (?:response \(|Authentication Required)/.test(error.message))
    return true;
  return codes.length > 0 && codes.every((code) => NEVER_SENT.has(code));
}

/** Our own error, where a client library wrapped one that was thrown below it. */
export function ownErrorIn(error: unknown): UpstreamError | undefined {
  if (error instanceof UpstreamError) return error;
  return error instanceof Error && error.cause !== undefined ? ownErrorIn(error.cause) : undefined;
}

/** This machine has run out of something, so that no request could leave whatever upstream it was for. */
const OWN_TROUBLE: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EADDRNOTAVAIL']);

/** Whether a call failed because of this node alone: it may not send, has run out of something, or an adapter has a defect. */
export const isOwnTrouble = (error: unknown): boolean =>
  error instanceof SendRefused ||
  !(error instanceof UpstreamError) ||
  errorCodes(error.cause).some((code) => OWN_TROUBLE.has(code));
