import { type LocalConfig, readLocalConfig } from '../config/config.ts';
import type { AccountRow, LimitStore } from '../store/store.ts';
import { systemClock } from '../time/clock.ts';
import { readOptions, readWords, unknownAction, usageError } from './arguments.ts';
import { openExistingStore } from './store.ts';

type Configured = LocalConfig['accounts'];
type Action = (store: LimitStore, configured: Configured) => Promise<void>;

/** `onetake accounts list|retry`. Works beside running gateways, which notice changes within a second. */
export async function accountsCommand([action, ...rest]: readonly string[]): Promise<number> {
  // The arguments are parsed before anything is opened.
  const act = actionOf(action, rest);
  const config = readLocalConfig(process.env);
  const store = await openExistingStore(config);
  try {
    await act(store, config.accounts);
    return 0;
  } finally {
    await store.close();
  }
}

function actionOf(action: string | undefined, args: readonly string[]): Action {
  switch (action) {
    case 'list':
      readOptions(args, {});
      return list;
    case 'retry': {
      const { words } = readWords(args, {});
      const [id, ...more] = words;
      if (more.length > 0)
        throw usageError('Name one account, or none for all: onetake accounts retry [ID].');
      return (store, configured) => retry(store, configured, id);
    }
    default:
      throw unknownAction('accounts', action, ['list', 'retry']);
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
