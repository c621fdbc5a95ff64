import { hash, randomBytes } from 'node:crypto';
import type { AuditRow, KeyRow, KeyStore, Scope } from '../store/projects.ts';
import { invalidRequest, OnetakeError } from '../tasks/errors.ts';
import { newId } from '../tasks/ids.ts';
import type { Clock } from '../time/clock.ts';

/** 32 random bytes cannot be guessed, so a fast hash is enough for storing them. */
const KEY_BYTES = 32;
/** Number of characters of a key that are stored in plain text, so that people can tell keys apart. */
const PREFIX_LENGTH = 10;
/** The shortest key an operator may choose for `ONETAKE_BOOTSTRAP_KEY`. */
const MIN_CHOSEN_KEY = 20;

/** The rule for a key that the operator chooses. */
export const CHOSEN_KEY_RULE = `must start with "sk-", have at least ${MIN_CHOSEN_KEY} characters and no spaces`;

export const isChosenKey = (key: string): boolean =>
  key.startsWith('sk-') && key.length >= MIN_CHOSEN_KEY && /^[\x21-\x7e]+$/.test(key);

/** The project of keys that are created without one. */
const DEFAULT_PROJECT = 'default';

export interface NewKey {
  readonly name: string;
  readonly project?: string;
  readonly scopes?: readonly Scope[];
  /** Milliseconds UTC. */
  readonly expiresAt?: number;
}

/** Creates, lists and revokes API keys. The key itself is returned once and never stored. */
export interface Keys {
  create(key: NewKey, actor: string): Promise<{ key: string; row: KeyRow }>;
  /** Makes sure that a configured key is valid and has admin scope, even if it was revoked before. */
  ensure(key: string): Promise<KeyRow>;
  list(): Promise<readonly KeyRow[]>;
  /** Throws a 409 for the last admin key, without which nobody could create another one, unless `force` is set. */
  revoke(id: string, actor: string, options?: { readonly force?: boolean }): Promise<KeyRow>;
}

export function createKeys(store: KeyStore, clock: Clock): Keys {
  const rowFor = (key: string, { name, project, scopes, expiresAt }: NewKey): KeyRow => ({
    id: `key_${newId()}`,
    projectId: project ?? DEFAULT_PROJECT,
    name,
    prefix: key.slice(0, PREFIX_LENGTH),
    hash: hashKey(key),
    scopes: scopes ?? ['generate'],
    createdAt: clock.now(),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  });
  const audit = (actor: string, action: string, subject: string): AuditRow => ({
    at: clock.now(),
    actor,
    action,
    subject,
  });

  return {
    async create(request, actor) {
      checkName(request.name, 'name');
      if (request.project !== undefined) checkName(request.project, 'project');
      const key = `sk-${randomBytes(KEY_BYTES).toString('base64url')}`;
      const row = rowFor(key, request);
      await store.putKey(row, audit(actor, 'key.created', row.id));
      return { key, row };
    },
    async ensure(key) {
      if (!isChosenKey(key)) {
        throw new OnetakeError('invalid_setting', 400, `ONETAKE_BOOTSTRAP_KEY ${CHOSEN_KEY_RULE}.`);
      }
      const existing = await store.keyByHash(hashKey(key));
      if (existing?.revokedAt !== undefined) {
        await store.restoreKey(existing.id, audit('bootstrap', 'key.restored', existing.id));
        const { revokedAt: _, project: __, ...restored } = existing;
        return restored;
      }
      if (existing) {
        const { project: _, ...row } = existing;
        return row;
      }
      const row = rowFor(key, { name: 'bootstrap', scopes: ['generate', 'admin'] });
      await store.putKey(row, audit('bootstrap', 'key.created', row.id));
      return row;
    },
    list: () => store.listKeys(),
    async revoke(id, actor, options) {
      const row = await store.revokeKey(id, clock.now(), audit(actor, 'key.revoked', id), options);
      if (!row)
        throw new OnetakeError('not_found', 404, `No key has the id ${id}; list the keys to see their ids.`);
      if (row.revokedAt === undefined) {
        throw new OnetakeError(
          'last_admin_key',
          409,
          `${id} is the last key with admin scope; create another one first, or force it (\`--force\`, or \`?force=true\`).`,
        );
      }
      return row;
    },
  };
}

/** The stored form of a key: hex SHA-256. */
export const hashKey = (key: string): string => hash('sha256', key, 'hex');

/** The pattern of names of keys and projects. */
export const NAME_PATTERN = '^[\\p{L}\\p{N}][\\p{L}\\p{N} ._-]{0,63}$';
const NAME = new RegExp(NAME_PATTERN, 'u');

function checkName(name: string, param: string): void {
  if (!NAME.test(name)) {
    throw invalidRequest(
      `${param} must be 1 to 64 letters, digits, spaces, dots, dashes or underscores, beginning with a letter or digit.`,
      param,
    );
  }
}
