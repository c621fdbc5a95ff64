import { createKeys, type Keys } from '../auth/keys.ts';
import { readLocalConfig } from '../config/config.ts';
import type { KeyRow } from '../store/store.ts';
import { systemClock } from '../time/clock.ts';
import { type Options, readOptions, readWords, unknownAction, usageError } from './arguments.ts';
import { openCommandStore, openExistingStore } from './store.ts';

const DAY_MS = 86_400_000;
/** Ten years, like the admin endpoint. */
const MAX_DAYS = 3650;

export const KEYS_OPTIONS = {
  name: { type: 'string' },
  project: { type: 'string' },
  admin: { type: 'boolean', default: false },
  'expires-in-days': { type: 'string' },
} as const satisfies Options;

/** `onetake keys create|list|revoke`. Works beside running gateways, which notice changes within a second. */
export async function keysCommand([action, ...rest]: readonly string[]): Promise<number> {
  // The arguments are parsed before anything is opened.
  const act = actionOf(action, rest);
  const config = readLocalConfig(process.env);
  // A key can be created before the first start of a gateway. The other actions need an existing store.
  const store = await (action === 'create' ? openCommandStore(config) : openExistingStore(config));
  try {
    await act(createKeys(store, systemClock));
    return 0;
  } finally {
    await store.close();
  }
}

function actionOf(action: string | undefined, args: readonly string[]): (keys: Keys) => Promise<void> {
  switch (action) {
    case 'create':
      return creation(args);
    case 'list':
      readOptions(args, {});
      return list;
    case 'revoke': {
      const { values, words } = readWords(args, { force: { type: 'boolean', default: false } });
      const [id, ...more] = words;
      if (!id) throw usageError('Say which key: onetake keys revoke ID (see onetake keys list).');
      if (more.length > 0) throw usageError('Revoke one key at a time: onetake keys revoke ID.');
      return async (keys) => {
        const row = await keys.revoke(id, 'cli', { force: values.force });
        process.stdout.write(`Revoked ${row.id} (${row.name}).\n`);
      };
    }
    default:
      throw unknownAction('keys', action, ['create', 'list', 'revoke']);
  }
}

function creation(args: readonly string[]): (keys: Keys) => Promise<void> {
  const { name, project, admin, 'expires-in-days': days } = readOptions(args, KEYS_OPTIONS);
  if (!name) throw usageError('Give the key a name: onetake keys create --name "my app".');
  const expiresAt = days === undefined ? undefined : expiry(days);
  return async (keys) => {
    const { key, row } = await keys.create(
      {
        name,
        scopes: admin ? ['generate', 'admin'] : ['generate'],
        ...(project === undefined ? {} : { project }),
        ...(expiresAt === undefined ? {} : { expiresAt }),
      },
      'cli',
    );
    process.stderr.write(`Created ${row.id} for project ${row.projectId}. The key is shown only once:\n`);
    process.stdout.write(`${key}\n`);
  };
}

async function list(keys: Keys): Promise<void> {
  for (const row of await keys.list()) {
    const state = stateOf(row, systemClock.now());
    const made = new Date(row.createdAt).toISOString();
    process.stdout.write(
      `${row.id}  ${row.prefix}…  ${state.padEnd(7)}  ${made}  ${row.projectId}  ${row.scopes.join('+')}  ${row.name}\n`,
    );
  }
}

function stateOf({ revokedAt, expiresAt }: KeyRow, now: number): string {
  if (revokedAt !== undefined) return 'revoked';
  return expiresAt !== undefined && expiresAt <= now ? 'expired' : 'active';
}

function expiry(days: string): number {
  const count = Number(days);
  if (!Number.isInteger(count) || count < 1 || count > MAX_DAYS)
    throw usageError(`--expires-in-days must be a whole number of days, 1 to ${MAX_DAYS}.`);
  return systemClock.now() + count * DAY_MS;
}
