import { LRUCache } from 'lru-cache';
import type { Clock } from '../../time/clock.ts';
import { type GatewayLinks, linkWindow, type MediaLinks } from './links.ts';

/** Signs a link to an object, from `from` on and until `until` (milliseconds UTC, whole seconds). */
export type Presign = (
  key: string,
  validity: { readonly from: number; readonly until: number },
) => Promise<string>;

/** Where the bytes of a media row are; undefined where they are not to be had from the bucket. */
export type KeyOf = (mediaId: string) => Promise<string | undefined>;

export interface BucketLinksOptions {
  readonly presign: Presign;
  readonly keyOf: KeyOf;
  /** Take over where a link cannot be signed, and honour those that were given before. */
  readonly gateway: GatewayLinks;
  /** As of the gateway's links. Milliseconds, whole seconds. */
  readonly ttlMs: number;
  readonly clock: Clock;
  readonly onFailure: (error: unknown) => void;
}

/** Signature Version 4 allows seven days, which two windows have to fit in. Milliseconds. */
const MAX_TTL_MS = (7 * 86_400_000) / 2;

/** Keys remembered, and for how long (milliseconds): a list has a hundred links, and bytes hardly ever move. */
const KEYS = 10_000;
const KEY_FRESH_MS = 60_000;

/**
 * Links that lead to the bucket itself, so that no byte of a video passes the gateway. Valid like the gateway's own, and
 * the same for a whole window, but for seven days at most.
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
        // Signed as of the window's start: the time of signing is part of the link.
        return await presign(key, { from: start, until });
      } catch (error) {
        // A query must not fail because credentials cannot be had for the moment; the gateway can serve the bytes as well.
        onFailure(error);
        return gateway.url(mediaId, extension, mediaExpiresAt);
      }
    },
  };
}
