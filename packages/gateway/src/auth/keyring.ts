import { LRUCache } from 'lru-cache';
import type { KeyRow, KeyStore, KeyWithProject, Scope } from '../store/projects.ts';
import { OnetakeError } from '../tasks/errors.ts';
import type { Clock } from '../time/clock.ts';
import { hashKey } from './keys.ts';

/**
 * Authenticates requests. Keys are cached. The cache is cleared when keys may have changed, and it is bypassed while this node is
 * not notified of changes.
 */
export interface Keyring {
  /** The key in an `Authorization` header. Throws a 401 that says what to send. */
  authenticate(authorization: string | undefined): Promise<KeyWithProject>;
  /**
   * The same for a valid key that is cached. Synchronous, for the hottest path: a header that the connection sent before, with a key that
   * was found then, is not hashed again.
   */
  known(authorization: string | undefined, connection: object): KeyWithProject | undefined;
  /** Whether a key that was authenticated before is still valid, and has the scope. */
  isValid(key: KeyRow, scope: Scope): Promise<boolean>;
  /** Clears the cache. */
  forget(): void;
  /** Calls `listener` when keys may have changed. Returns a function that unsubscribes. */
  onForget(listener: () => void): () => void;
}

/** Maximum number of cached keys. */
const CACHE_SIZE = 10_000;

/** `hasLease` says whether this node is currently notified of changes of keys. */
export function createKeyring(store: KeyStore, clock: Clock, hasLease: () => boolean = () => true): Keyring {
  const cache = new LRUCache<string, KeyWithProject>({ max: CACHE_SIZE });
  /** The last header of each connection that had a valid key, and how often the keys had been forgotten by then. */
  const last = new WeakMap<object, { authorization: string; row: KeyWithProject; asOf: number }>();
  const listeners = new Set<() => void>();
  let forgotten = 0;

  async function lookUp(hash: string): Promise<KeyWithProject | undefined> {
    const asOf = forgotten;
    const row = await store.keyByHash(hash);
    // A row that was read before the keys changed may serve this request, but is not cached.
    if (!row || asOf !== forgotten || !hasLease()) return row;
    cache.set(hash, row);
    return row;
  }

  const isValid = ({ revokedAt, expiresAt }: KeyRow): boolean =>
    revokedAt === undefined && (expiresAt === undefined || expiresAt > clock.now());

  return {
    known(authorization, connection) {
      if (authorization === undefined || !hasLease()) return undefined;
      const before = last.get(connection);
      // Compared with what this connection has proved to know, so how long that takes tells nobody anything new.
      if (before?.authorization === authorization && before.asOf === forgotten)
        return isValid(before.row) ? before.row : undefined;
      const key = bearerOf(authorization);
      const row = key === undefined ? undefined : cache.get(hashKey(key));
      if (!row || !isValid(row)) return undefined;
      last.set(connection, { authorization, row, asOf: forgotten });
      return row;
    },
    async authenticate(authorization) {
      if (authorization === undefined) {
        throw unauthorized('Send your API key in the Authorization header: "Authorization: Bearer sk-…".');
      }
      const key = bearerOf(authorization);
      if (!key) throw unauthorized('The Authorization header must read "Bearer sk-…".');
      const hash = hashKey(key);
      const row = (hasLease() ? cache.get(hash) : undefined) ?? (await lookUp(hash));
      if (!row)
        throw unauthorized(
          'This API key does not exist; check it, or ask the operator of this gateway for one (`onetake keys create`).',
        );
      if (row.revokedAt !== undefined) throw unauthorized('This API key was revoked; use another one.');
      if (!isValid(row)) throw unauthorized('This API key has expired; use another one.');
      return row;
    },
    async isValid({ hash }, scope) {
      const row = (hasLease() ? cache.get(hash) : undefined) ?? (await lookUp(hash));
      return row !== undefined && isValid(row) && hasScope(row, scope);
    },
    forget() {
      forgotten += 1;
      cache.clear();
      for (const listener of listeners) listener();
    },
    onForget(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

const bearerOf = (authorization: string | undefined): string | undefined =>
  authorization === undefined ? undefined : /^Bearer +(\S+)$/i.exec(authorization)?.[1];

/** Whether a key may do something: who may generate may also read. */
export const hasScope = ({ scopes }: KeyRow, scope: Scope): boolean =>
  scopes.includes(scope) || (scope === 'read' && scopes.includes('generate'));

const unauthorized = (message: string): OnetakeError => new OnetakeError('unauthorized', 401, message);
