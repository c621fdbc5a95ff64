import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../time/clock.ts';

/** Signed links to media, which need no key and expire. */
export interface MediaLinks {
  /** A link that is valid until its window ends, but never longer than the media is stored (milliseconds UTC). */
  url(mediaId: string, extension: string, mediaExpiresAt: number): string | Promise<string>;
  verify(mediaId: string, extension: string, query: LinkQuery): LinkVerdict;
  /** The origins that links lead to. */
  readonly baseUrl: () => string;
}

/** Links that lead to the gateway itself. They are created synchronously. */
export interface GatewayLinks extends MediaLinks {
  url(mediaId: string, extension: string, mediaExpiresAt: number): string;
}

/** The query parameters of a link, as received. */
export interface LinkQuery {
  readonly expires?: string | undefined;
  readonly signature?: string | undefined;
}

export type LinkVerdict = 'ok' | 'expired' | 'invalid';

export interface LinksOptions {
  /** The base URL of links, without a trailing slash: the media domain, or the gateway itself. */
  readonly baseUrl: () => string;
  /** The first secret signs. The others are still accepted, so that a secret can be rotated without breaking links. */
  readonly secrets: readonly [string, ...string[]];
  /** A link is valid for this long at least and twice as long at most. Milliseconds, whole seconds. */
  readonly ttlMs: number;
  readonly clock: Clock;
}

export function createLinks({ baseUrl, secrets, ttlMs, clock }: LinksOptions): GatewayLinks {
  return {
    baseUrl,
    url(mediaId, extension, mediaExpiresAt) {
      const path = pathOf(mediaId, extension);
      const expires = String(Math.floor(Math.min(mediaExpiresAt, linkWindow(clock.now(), ttlMs).end) / 1000));
      return `${baseUrl()}${path}?expires=${expires}&signature=${signLink(secrets[0], path, expires)}`;
    },
    verify(mediaId, extension, { expires, signature }) {
      if (expires === undefined || signature === undefined) return 'invalid';
      const path = pathOf(mediaId, extension);
      const given = Buffer.from(signature);
      const signed = secrets.some((secret) => sameBytes(given, Buffer.from(signLink(secret, path, expires))));
      if (!signed) return 'invalid';
      return clock.now() < Number(expires) * 1000 ? 'ok' : 'expired';
    },
  };
}

/**
 * The time window of links created now. A link stays the same for a whole window: if it changed with every query, the
 * response would never match its ETag. A link is valid until `end`, so for at least one `ttlMs` and at most two.
 */
export function linkWindow(now: number, ttlMs: number): { readonly start: number; readonly end: number } {
  const start = Math.floor(now / ttlMs) * ttlMs;
  return { start, end: start + 2 * ttlMs };
}

/** HMAC-SHA256 over path and expiry (unix seconds, as written in the link), in base64url. */
function signLink(secret: string, path: string, expires: string): string {
  return createHmac('sha256', secret).update(`${path}?expires=${expires}`).digest('base64url');
}

const pathOf = (mediaId: string, extension: string): string => `/media/${mediaId}.${extension}`;

const sameBytes = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b);
