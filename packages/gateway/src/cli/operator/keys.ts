import { createKeys, type Keys } from '../../auth/keys.ts';
import { type LocalConfig, readLocalConfig } from '../../config/config.ts';
import type { KeyRow } from '../../store/projects.ts';
import type { Store } from '../../store/store.ts';
import { systemClock } from '../../time/clock.ts';
import { usageError } from '../usage.ts';
import { openCommandStore, openExistingStore } from './store.ts';

const DAY_MS = 86_400_000;
/** Ten years, like the admin endpoint. */
const MAX_DAYS = 3650;

interface NewKey {
  readonly name?: string | undefined;
  readonly project?: string | undefined;
  readonly admin?: true | undefined;
  readonly expiresInDays?: string | undefined;
}

/** `onetake keys create`. Works beside running gateways, and before the first start of one. */
export async function createKey({ name, project, admin, expiresInDays: days }: NewKey): Promise<void> {
  // The arguments are checked before anything is opened.
  if (!name) throw usageError('Give the key a name: onetake keys create --name "my app".');
  const expiresAt = days === undefined ? undefined : expiry(days);
  await withKeys(openCommandStore, async (keys) => {
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
  });
}

/** `onetake keys list`. */
export const listKeys = (): Promise<void> => withKeys(openExistingStore, list);

/** `onetake keys revoke ID`. Running gateways notice within a second. */
export const revokeKey = (id: string, { force = false }: { readonly force?: boolean | undefined }) =>
  withKeys(openExistingStore, async (keys) => {
    const row = await keys.revoke(id, 'cli', { force });
    process.stdout.write(`Revoked ${row.id} (${row.name}).\n`);
  });

async function withKeys(
  open: (config: LocalConfig) => Promise<Store>,
  act: (keys: Keys) => Promise<void>,
): Promise<void> {
  const store = await open(readLocalConfig(process.env));
  try {
    await act(createKeys(store, systemClock));
  } finally {
    await store.close();
  }
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
