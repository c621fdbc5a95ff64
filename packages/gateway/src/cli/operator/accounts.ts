import { type LocalConfig, readLocalConfig } from '../../config/config.ts';
import type { AccountRow, LimitStore } from '../../store/store.ts';
import { systemClock } from '../../time/clock.ts';
import { usageError } from '../usage.ts';
import { openExistingStore } from './store.ts';

type Configured = LocalConfig['accounts'];

/** `onetake accounts list`. Works beside running gateways. */
export const listAccounts = (): Promise<void> => withAccounts(list);

/** `onetake accounts retry [ID]`. Running gateways notice within a second. */
export const retryAccounts = (id: string | undefined): Promise<void> =>
  withAccounts((store, configured) => retry(store, configured, id));

async function withAccounts(
  act: (store: LimitStore, configured: Configured) => Promise<void>,
): Promise<void> {
  const config = readLocalConfig(process.env);
  const store = await openExistingStore(config);
  try {
    await act(store, config.accounts);
  } finally {
    await store.close();
  }
}

async function list(store: LimitStore, configured: Configured): Promise<void> {
  const rows = new Map((await store.accounts()).map((row) => [row.account, row]));
  const providers = new Map(configured.map(({ id, provider }) => [id, provider]));
  for (const id of new Set([...providers.keys(), ...rows.keys()])) {
    const row = rows.get(id);
    const line = [id, providers.get(id) ?? '-', `${row?.inFlight ?? 0} in flight`, stateOf(row)];
    process.stdout.write(`${line.join('  ')}\n`);
  }
}

function stateOf(row: AccountRow | undefined): string {
  if (!row || row.failures === 0) return 'works';
  const { reason = 'unknown', error, failedSince, blockedUntil } = row;
  const since = failedSince === undefined ? '' : ` since ${new Date(failedSince).toISOString()}`;
  const next =
    blockedUntil > systemClock.now()
      ? `next try ${new Date(blockedUntil).toISOString()}`
      : 'tried with the next task';
  return `blocked${since}  ${reason}  ${next}${error === undefined ? '' : `  ${JSON.stringify(error)}`}`;
}

async function retry(store: LimitStore, configured: Configured, id: string | undefined): Promise<void> {
  const rows = await store.accounts();
  const known = new Set([...configured.map((account) => account.id), ...rows.map(({ account }) => account)]);
  if (id !== undefined && !known.has(id))
    throw usageError(`There is no account ${id} (see onetake accounts list).`);
  const wanted =
    id === undefined ? rows.flatMap(({ account, failures }) => (failures > 0 ? account : [])) : [id];
  let tried = 0;
  for (const account of wanted) {
    const audit = { at: systemClock.now(), actor: 'cli', action: 'account.retried', subject: account };
    if (!(await store.retryAccount(account, audit))) continue;
    tried += 1;
    process.stdout.write(`${account} is tried again with the next task.\n`);
  }
  if (tried === 0)
    process.stdout.write(`${id ?? 'No account'} is ${id === undefined ? '' : 'not '}blocked.\n`);
}
