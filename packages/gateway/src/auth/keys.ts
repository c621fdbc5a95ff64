import { hash, randomBytes } from 'node:crypto';
import type {
  AuditRow,
  KeyChanges,
  KeyIdentity,
  KeyRow,
  KeyStore,
  ProjectStore,
  Scope,
} from '../store/projects.ts';
import { invalidRequest, OnetakeError } from '../tasks/errors.ts';
import { newId } from '../tasks/ids.ts';
import type { Clock } from '../time/clock.ts';
import { type Allowance, checkDefaultMetadata, checkLimits, checkModels } from './allowance.ts';
import { checkName } from './names.ts';
import { withoutGaps } from './projects.ts';

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

export interface NewKey extends Allowance {
  readonly name: string;
  /** It is created if there is none. */
  readonly project?: string;
  readonly scopes?: readonly Scope[];
  /** Globs over the ids of models. */
  readonly models?: readonly string[] | null;
  /** Milliseconds UTC. */
  readonly expiresAt?: number;
}

export interface KeySettings extends Allowance {
  readonly name?: string;
  readonly scopes?: readonly Scope[];
  readonly models?: readonly string[] | null;
  /** Milliseconds UTC; null: never. */
  readonly expiresAt?: number | null;
}

/** Creates, lists and revokes API keys. The key itself is returned once and never stored. */
export interface Keys {
  create(key: NewKey, actor: string): Promise<{ key: string; row: KeyRow }>;
  /** Makes sure that a configured key is valid and has admin scope, even if it was revoked before. */
  ensure(key: string): Promise<KeyRow>;
  list(): Promise<readonly KeyRow[]>;
  /** Changes what is given. Throws a 409, as `revoke`. */
  change(
    id: string,
    settings: KeySettings,
    actor: string,
    options?: { readonly force?: boolean },
  ): Promise<KeyRow>;
  /**
   * Creates a key that may do the same, and counts for the same limits. The one before stays valid for `overlapMs`, if it does not expire
   * earlier. Throws a 409 for a key that is not valid any more, or was rotated before.
   */
  rotate(id: string, overlapMs: number, actor: string): Promise<{ key: string; row: KeyRow; former: KeyRow }>;
  /** Throws a 409 for the last admin key, without which nobody could create another one, unless `force` is set. */
  revoke(id: string, actor: string, options?: { readonly force?: boolean }): Promise<KeyRow>;
}

export function createKeys(store: KeyStore & ProjectStore, clock: Clock): Keys {
  const identityOf = (key: string): KeyIdentity => ({
    id: `key_${newId()}`,
    prefix: key.slice(0, PREFIX_LENGTH),
    hash: hashKey(key),
    createdAt: clock.now(),
  });
  const rowFor = (key: string, { name, project, scopes, expiresAt, ...allowance }: NewKey): KeyRow => ({
    ...identityOf(key),
    projectId: project ?? DEFAULT_PROJECT,
    name,
    scopes: scopes ?? ['generate'],
    ...withoutGaps({ expiresAt, ...storedAllowance(allowance) }),
  });
  const audit = (actor: string, action: string, subject: string, detail?: AuditRow['detail']): AuditRow => ({
    at: clock.now(),
    actor,
    action,
    subject,
    ...(detail ? { detail } : {}),
  });

  async function refuseArchived(project: string): Promise<void> {
    if ((await store.project(project))?.archivedAt === undefined) return;
    const message = `The project ${project} is archived; restore it first, or give another one.`;
    throw new OnetakeError('project_archived', 409, message, { param: 'project' });
  }

  return {
    async create(request, actor) {
      checkName(request.name, 'name');
      if (request.project !== undefined) checkName(request.project, 'project');
      const key = newKey();
      const row = rowFor(key, request);
      await refuseArchived(row.projectId);
      await store.putKey(row, audit(actor, 'key.created', row.id, detailOf(row)));
      return { key, row };
    },
    async ensure(key) {
      if (!isChosenKey(key)) {
        throw new OnetakeError('invalid_setting', 400, `ONETAKE_BOOTSTRAP_KEY ${CHOSEN_KEY_RULE}.`);
      }
      const existing = await store.keyByHash(hashKey(key));
      if (existing) {
        const { id, revokedAt, scopes } = existing;
        if (revokedAt !== undefined) await store.restoreKey(id, audit('bootstrap', 'key.restored', id));
        const changes: KeyChanges = {
          expiresAt: undefined,
          ...(scopes.includes('admin') ? {} : { scopes: [...scopes, 'admin'] }),
        };
        const options = { at: clock.now(), force: true };
        const result = await store.changeKey(id, changes, audit('bootstrap', 'key.restored', id), options);
        if (result.outcome === 'not_found') throw notFound(id);
        return result.key;
      }
      const row = rowFor(key, { name: 'bootstrap', scopes: ['generate', 'admin'] });
      await store.putKey(row, audit('bootstrap', 'key.created', row.id, detailOf(row)));
      return row;
    },
    list: () => store.listKeys(),
    async revoke(id, actor, options) {
      const row = await store.revokeKey(id, clock.now(), audit(actor, 'key.revoked', id), options);
      if (!row) throw notFound(id);
      if (row.revokedAt === undefined) throw lastAdmin(id);
      return row;
    },
    async change(id, { name, scopes, expiresAt, ...allowance }, actor, { force = false } = {}) {
      if (name !== undefined) checkName(name, 'name');
      if (scopes?.length === 0) throw invalidRequest('scopes must name at least one scope.', 'scopes');
      const changes: KeyChanges = {
        ...withoutGaps({ name, scopes }),
        ...(expiresAt === undefined ? {} : { expiresAt: expiresAt ?? undefined }),
        ...storedAllowance(allowance),
      };
      const at = clock.now();
      const result = await store.changeKey(id, changes, audit(actor, 'key.changed', id), { at, force });
      if (result.outcome === 'not_found') throw notFound(id);
      if (result.outcome === 'last_admin') throw lastAdmin(id);
      if (result.outcome === 'replaced')
        throw new OnetakeError(
          'key_replaced',
          409,
          `${id} was rotated, and ends when its overlap is over; change ${result.key.replacedBy} instead.`,
        );
      return result.key;
    },
    async rotate(id, overlapMs, actor) {
      const before = (await store.listKeys()).find((row) => row.id === id);
      if (!before) throw notFound(id);
      await refuseArchived(before.projectId);
      const key = newKey();
      const next = identityOf(key);
      const at = clock.now();
      const times = { at, until: at + overlapMs };
      const result = await store.rotateKey(
        id,
        next,
        audit(actor, 'key.rotated', id, { replacedBy: next.id, overlapSeconds: overlapMs / 1000 }),
        times,
      );
      if (result.outcome === 'not_found') throw notFound(id);
      if (result.outcome === 'invalid')
        throw new OnetakeError(
          'key_not_valid',
          409,
          result.key.replacedBy === undefined
            ? `${id} is revoked or has expired; create a key instead.`
            : `${id} was rotated before: rotate ${result.key.replacedBy} instead.`,
        );
      return { key, row: result.next, former: result.key };
    },
  };
}

const newKey = (): string => `sk-${randomBytes(KEY_BYTES).toString('base64url')}`;

/** As far as it is given. */
const storedAllowance = ({ limits, defaultMetadata, models }: Omit<NewKey, 'name'>) => ({
  ...(limits === undefined ? {} : { limits: checkLimits(limits) }),
  ...(defaultMetadata === undefined ? {} : { defaultMetadata: checkDefaultMetadata(defaultMetadata) }),
  ...(models === undefined ? {} : { models: checkModels(models) }),
});

/** What the audit log tells of a new key. */
const detailOf = ({ id: _, hash: __, createdAt: ___, ...detail }: KeyRow): AuditRow['detail'] => detail;

const notFound = (id: string): OnetakeError =>
  new OnetakeError('not_found', 404, `No key has the id ${id}; list the keys to see their ids.`);

const lastAdmin = (id: string): OnetakeError =>
  new OnetakeError(
    'last_admin_key',
    409,
    `${id} is the last key with admin scope that lasts as long; create another one first, or force it (\`--force\`, or \`?force=true\`).`,
  );

/** The stored form of a key: hex SHA-256. */
export const hashKey = (key: string): string => hash('sha256', key, 'hex');
