import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { CallbackAddress } from '../definition.ts';
import { type Callback, UpstreamError } from '../provider.ts';

/** The address that Ark posts a task to on each change of its status. Ark signs nothing, so the address has a secret token. */
export function callbackUrl({ url, token }: CallbackAddress): string {
  const address = new URL(url);
  address.searchParams.set('token', token);
  return address.href;
}

const Notice = z.object({ id: z.string().min(1) });

/** The task that a callback is about. Its status is not trusted but polled. Throws if the token is not this account's. */
export function readCallback({ rawBody, query }: Callback, { token }: CallbackAddress): string[] {
  if (typeof query.token !== 'string' || !isSame(query.token, token)) {
    throw new UpstreamError('auth_failed', { detail: 'a callback without the token of this account' });
  }
  let body: unknown;
  try {
    body = JSON.parse(rawBody.toString('utf8'));
  } catch {
    // Genuine, but it names no task.
    return [];
  }
  const notice = Notice.safeParse(body);
  return notice.success ? [notice.data.id] : [];
}

/** Compares digests, which have equal length whatever was sent. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
