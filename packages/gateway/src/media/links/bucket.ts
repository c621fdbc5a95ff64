import { LRUCache } from 'lru-cache';
import type { Clock } from '../../time/clock.ts';
import { type GatewayLinks, linkWindow, type MediaLinks } from './links.ts';

/** Signs a link to an object, from `from` on and until `until` (milliseconds UTC, whole seconds). */
export type Presign = (
  key: string,
  validity: { readonly from: number; readonly until: number },
) => Promise<string>;

/** The storage key of a media row; undefined if its bytes cannot be served from the bucket. */
export type KeyOf = (mediaId: string) => Promise<string | undefined>;

export interface BucketLinksOptions {
  readonly presign: Presign;
  readonly keyOf: KeyOf;
  /** The fallback when a link cannot be signed. It also keeps links valid that were issued before. */
  readonly gateway: GatewayLinks;
  /** The same as for the gateway's links: milliseconds, in whole seconds. */
  readonly ttlMs: number;
  readonly clock: Clock;
  readonly onFailure: (error: unknown) => void;
}

/** Signature Version 4 allows at most seven days, and a link can live for two windows. Milliseconds. */
const MAX_TTL_MS = (7 * 86_400_000) / 2;

/** The size of the key cache, and its time to live in milliseconds: a list has a hundred links, and keys rarely change. */
const KEYS = 10_000;
const KEY_FRESH_MS = 60_000;

/**
 * Creates links that lead to the bucket itself, so that video bytes do not pass through the gateway. They have the same
 * lifetime as the gateway's own links, capped at seven days, and stay the same for a whole window.
 */
export function createBucketLinks({
  presign,
  keyOf,
  gateway,
  ttlMs,
  clock,
  onFailure,
}: BucketLinksOptions): MediaLinks {
  const ttl = Math.min(ttlMs, MAX_TTL_MS);
  const keys = new LRUCache<string, string>({ max: KEYS, ttl: KEY_FRESH_MS });

  async function find(mediaId: string): Promise<string | undefined> {
    const key = keys.get(mediaId) ?? (await keyOf(mediaId));
    if (key !== undefined) keys.set(mediaId, key, { noUpdateTTL: true });
    return key;
  }

  return {
    ...gateway,
    async url(mediaId, extension, mediaExpiresAt) {
      const { start, end } = linkWindow(clock.now(), ttl);
      const until = Math.floor(Math.min(mediaExpiresAt, end) / 1000) * 1000;
      if (until <= start) return gateway.url(mediaId, extension, mediaExpiresAt);
      try {
        const key = await find(mediaId);
        if (key === undefined) return gateway.url(mediaId, extension, mediaExpiresAt);
        // The time of signing is part of the link, so the start of the window is used: the link stays the same.
        return await presign(key, { from: start, until });
      } catch (error) {
        // A query must not fail because credentials are unavailable for a moment: the gateway can serve the bytes too.
        onFailure(error);
        return gateway.url(mediaId, extension, mediaExpiresAt);
      }
    },
  };
}
