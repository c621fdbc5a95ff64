import { createKeys, type KeySettings, type Keys } from '../../auth/keys.ts';
import { type LocalConfig, readLocalConfig } from '../../config/config.ts';
import { type KeyRow, SCOPES, type Scope } from '../../store/projects.ts';
import type { Store } from '../../store/store.ts';
import { systemClock } from '../../time/clock.ts';
import { usageError } from '../usage.ts';
import { type AllowanceOptions, allowanceOf, NONE } from './allowance.ts';
import { openCommandStore, openExistingStore } from './store.ts';

const DAY_MS = 86_400_000;
/** Ten years, like the admin endpoint. */
const MAX_DAYS = 3650;
const HOUR_MS = 3_600_000;
const MAX_OVERLAP_HOURS = 720;

interface KeyOptions extends AllowanceOptions {
  readonly name?: string | undefined;
  readonly scopes?: string | undefined;
  readonly models?: string | undefined;
  readonly expiresInDays?: string | undefined;
}

interface NewKey extends KeyOptions {
  readonly project?: string | undefined;
  readonly admin?: true | undefined;
}

/** `onetake keys create`. Works beside running gateways, and before the first start of one. */
export async function createKey(options: NewKey): Promise<void> {
  const { name, project, admin, expiresInDays: days, scopes, models } = options;
  // The arguments are checked before anything is opened.
  if (!name) throw usageError('Give the key a name: onetake keys create --name "my app".');
  const expiresAt = days === undefined ? undefined : expiry(days);
  if (admin && scopes !== undefined)
    throw usageError('Give either --admin, which is --scopes generate,admin, or --scopes.');
  const given = scopes === undefined ? undefined : scopesOf(scopes);
  const allowance = allowanceOf(options);
  await withKeys(openCommandStore, async (keys) => {
    const { key, row } = await keys.create(
      {
        name,
        scopes: given ?? (admin ? ['generate', 'admin'] : ['generate']),
        ...(models === undefined ? {} : { models: listOf(models) }),
        ...allowance.settings({}),
        ...(project === undefined ? {} : { project }),
        ...(expiresAt === undefined ? {} : { expiresAt }),
      },
      'cli',
    );
    process.stderr.write(`Created ${row.id} for project ${row.projectId}. The key is shown only once:\n`);
    process.stdout.write(`${key}\n`);
  });
}

/** `onetake keys set ID`. Running gateways notice within a second. */
export async function setKey(
  id: string,
  options: KeyOptions & { readonly force?: true | undefined },
): Promise<void> {
  const { name, scopes, models, expiresInDays: days, force = false } = options;
  const allowance = allowanceOf(options);
  const settings: KeySettings = {
    ...(name === undefined ? {} : { name }),
    ...(scopes === undefined ? {} : { scopes: scopesOf(scopes) }),
    ...(models === undefined ? {} : { models: models === NONE ? null : listOf(models) }),
    ...(days === undefined ? {} : { expiresAt: days === NONE ? null : expiry(days) }),
  };
  if (Object.keys(settings).length === 0 && allowance.isEmpty)
    throw usageError(
      'Say what to change: onetake keys set ID --name "my app" (see onetake keys set --help).',
    );
  await withKeys(openExistingStore, async (keys) => {
    const before = (await keys.list()).find((row) => row.id === id);
    const row = await keys.change(id, { ...settings, ...allowance.settings(before ?? {}) }, 'cli', { force });
    process.stdout.write(`Changed ${row.id} (${row.name}).\n`);
  });
}

/** `onetake keys rotate ID`. */
export async function rotateKey(
  id: string,
  { overlapHours = '24' }: { readonly overlapHours?: string | undefined },
): Promise<void> {
  const hours = Number(overlapHours);
  if (overlapHours.trim() === '' || !(hours >= 0 && hours <= MAX_OVERLAP_HOURS))
    throw usageError(`--overlap-hours must be a number of hours, 0 to ${MAX_OVERLAP_HOURS}.`);
  await withKeys(openExistingStore, async (keys) => {
    const { key, row, former } = await keys.rotate(id, Math.round(hours * HOUR_MS), 'cli');
    const until = new Date(former.expiresAt ?? 0).toISOString();
    process.stderr.write(`Created ${row.id}; ${id} is valid until ${until}. The key is shown only once:\n`);
    process.stdout.write(`${key}\n`);
  });
}

const listOf = (words: string): string[] => words.split(',').map((word) => word.trim());

function scopesOf(words: string): Scope[] {
  return listOf(words).map((word) => {
    const scope = SCOPES.find((one) => one === word);
    if (!scope) throw usageError(`--scopes takes ${SCOPES.join(', ')}, with commas; got "${word}".`);
    return scope;
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
