import { LRUCache } from 'lru-cache';
import type { KeyRow, KeyStore, Scope } from '../store/store.ts';
import { OnetakeError } from '../tasks/errors.ts';
import type { Clock } from '../time/clock.ts';
import { hashKey } from './keys.ts';

/**
 * Tells whose request it is. Known keys are cached; the cache is emptied when keys may have changed, and not used while
 * it could not be told that they did.
 */
export interface Keyring {
  /** The key behind an `Authorization` header. Throws a 401 that says what to send. */
  authenticate(authorization: string | undefined): Promise<KeyRow>;
  /** The same for a valid key that is in memory: no promise on the hottest path. */
  known(authorization: string | undefined): KeyRow | undefined;
  forget(): void;
}

/** Keys kept in memory; those that nobody has used the longest go first. */
const CACHE_SIZE = 10_000;

/** `held` tells whether changes of keys are heard of at this moment. */
export function createKeyring(store: KeyStore, clock: Clock, held: () => boolean = () => true): Keyring {
  const cache = new LRUCache<string, KeyRow>({ max: CACHE_SIZE });
  let forgotten = 0;

  async function lookUp(hash: string): Promise<KeyRow | undefined> {
    const asOf = forgotten;
    const row = await store.keyByHash(hash);
    // What was read before the keys changed may serve this one request, and no other.
    if (!row || asOf !== forgotten || !held()) return row;
    cache.set(hash, row);
    return row;
  }

  const isValid = ({ revokedAt, expiresAt }: KeyRow): boolean =>
    revokedAt === undefined && (expiresAt === undefined || expiresAt > clock.now());

  return {
    known(authorization) {
      const key = bearerOf(authorization);
      const row = key && held() ? cache.get(hashKey(key)) : undefined;
      return row && isValid(row) ? row : undefined;
    },
    async authenticate(authorization) {
      if (authorization === undefined) {
        throw unauthorized('Send your API key in the Authorization header: "Authorization: Bearer sk-…".');
      }
      const key = bearerOf(authorization);
      if (!key) throw unauthorized('The Authorization header must read "Bearer sk-…".');
      const hash = hashKey(key);
      const row = (held() ? cache.get(hash) : undefined) ?? (await lookUp(hash));
      if (!row)
        throw unauthorized(
          'This API key does not exist; check it, or have one made with `onetake keys create`.',
        );
      if (row.revokedAt !== undefined) throw unauthorized('This API key was revoked; use another one.');
      if (!isValid(row)) throw unauthorized('This API key has expired; use another one.');
      return row;
    },
    forget() {
      forgotten += 1;
      cache.clear();
    },
  };
}

const bearerOf = (authorization: string | undefined): string | undefined =>
  authorization === undefined ? undefined : /^Bearer +(\S+)$/i.exec(authorization)?.[1];

/** Throws a 403 unless the key has the scope. */
export function requireScope(key: KeyRow, scope: Scope): void {
  if (!key.scopes.includes(scope)) {
    throw new OnetakeError(
      'forbidden',
      403,
      `This API key lacks the scope "${scope}"; use a key that has it.`,
    );
  }
}

const unauthorized = (message: string): OnetakeError => new OnetakeError('unauthorized', 401, message);
