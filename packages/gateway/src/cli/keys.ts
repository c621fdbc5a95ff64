import { parseArgs } from 'node:util';
import { readConfig } from '../config.ts';
import { createKeys } from '../keys/keys.ts';
import type { KeyRow } from '../store/store.ts';
import { systemClock } from '../tasks/clock.ts';
import { invalidRequest } from '../tasks/errors.ts';
import { openStore } from './openStore.ts';

const DAY_MS = 86_400_000;
/** Ten years, as at the admin endpoint. */
const MAX_DAYS = 3650;

/** `onetake keys create|list|revoke`: works beside running gateways, which notice within a second. */
export async function keysCommand([action, ...rest]: readonly string[]): Promise<number> {
  const config = readConfig(process.env);
  const store = await openStore(config);
  const keys = createKeys(store, systemClock);
  try {
    switch (action) {
      case 'create': {
        const { values } = parseArgs({
          args: [...rest],
          options: {
            name: { type: 'string' },
            project: { type: 'string' },
            admin: { type: 'boolean', default: false },
            'expires-in-days': { type: 'string' },
          },
        });
        if (!values.name) throw invalidRequest('Give the key a name: onetake keys create --name "my app".');
        const { key, row } = await keys.create(
          {
            name: values.name,
            scopes: values.admin ? ['generate', 'admin'] : ['generate'],
            ...(values.project === undefined ? {} : { project: values.project }),
            ...(values['expires-in-days'] === undefined
              ? {}
              : { expiresAt: expiry(values['expires-in-days']) }),
          },
          'cli',
        );
        process.stderr.write(`Made ${row.id} for project ${row.projectId}. The key is shown this once:\n`);
        process.stdout.write(`${key}\n`);
        return 0;
      }
      case 'list': {
        parseArgs({ args: [...rest] });
        for (const row of await keys.list()) {
          const state = stateOf(row, systemClock.now());
          const made = new Date(row.createdAt).toISOString();
          process.stdout.write(
            `${row.id}  ${row.prefix}…  ${state.padEnd(7)}  ${made}  ${row.projectId}  ${row.scopes.join('+')}  ${row.name}\n`,
          );
        }
        return 0;
      }
      case 'revoke': {
        const { values, positionals } = parseArgs({
          args: [...rest],
          allowPositionals: true,
          options: { force: { type: 'boolean', default: false } },
        });
        const [id, ...more] = positionals;
        if (!id) throw invalidRequest('Say which key: onetake keys revoke ID (see onetake keys list).');
        if (more.length > 0) throw invalidRequest('Revoke one key at a time: onetake keys revoke ID.');
        const row = await keys.revoke(id, 'cli', { force: values.force });
        process.stdout.write(`Revoked ${row.id} (${row.name}).\n`);
        return 0;
      }
      default:
        throw invalidRequest('Say what to do with keys: create, list or revoke.');
    }
  } finally {
    await store.close();
  }
}

function stateOf({ revokedAt, expiresAt }: KeyRow, now: number): string {
  if (revokedAt !== undefined) return 'revoked';
  return expiresAt !== undefined && expiresAt <= now ? 'expired' : 'active';
}

function expiry(days: string): number {
  const count = Number(days);
  if (!Number.isInteger(count) || count < 1 || count > MAX_DAYS)
    throw invalidRequest(`--expires-in-days must be a whole number of days, 1 to ${MAX_DAYS}.`);
  return systemClock.now() + count * DAY_MS;
}
