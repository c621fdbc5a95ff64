import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../tasks/clock.ts';

/** Signed links to media, which need no key and expire. */
export interface MediaLinks {
  /** A link that is valid until its window ends, never longer than the media is kept (milliseconds UTC). */
  url(mediaId: string, extension: string, mediaExpiresAt: number): string;
  verify(mediaId: string, extension: string, query: LinkQuery): LinkVerdict;
  /** Where links lead to. */
  readonly baseUrl: () => string;
}

/** The query of a link, as it came. */
export interface LinkQuery {
  readonly expires?: string | undefined;
  readonly signature?: string | undefined;
}

export type LinkVerdict = 'ok' | 'expired' | 'invalid';

export interface LinksOptions {
  /** Where links lead to, without a slash at the end: the media domain, or the gateway itself. */
  readonly baseUrl: () => string;
  /** The first signs; the others are still honoured, so that a secret can be replaced without breaking links. */
  readonly secrets: readonly [string, ...string[]];
  /** A link is valid for this long at least and twice as long at most. Milliseconds, whole seconds. */
  readonly ttlMs: number;
  readonly clock: Clock;
}

export function createLinks({ baseUrl, secrets, ttlMs, clock }: LinksOptions): MediaLinks {
  return {
    baseUrl,
    url(mediaId, extension, mediaExpiresAt) {
      const path = pathOf(mediaId, extension);
      // The same for a whole window: an answer that differed with every query would never match its ETag.
      const windowEnd = (Math.floor(clock.now() / ttlMs) + 2) * ttlMs;
      const expires = String(Math.floor(Math.min(mediaExpiresAt, windowEnd) / 1000));
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

/** HMAC-SHA256 over path and expiry (unix seconds, as written in the link), in base64url. */
function signLink(secret: string, path: string, expires: string): string {
  return createHmac('sha256', secret).update(`${path}?expires=${expires}`).digest('base64url');
}

const pathOf = (mediaId: string, extension: string): string => `/media/${mediaId}.${extension}`;

const sameBytes = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b);
