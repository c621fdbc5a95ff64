import { accessSync, constants, existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { createCatalogue } from '../../catalogue/catalogue.ts';
import type { Model } from '../../catalogue/model.ts';
import { serves, upstreamModelAt } from '../../catalogue/serving.ts';
import { list } from '../../catalogue/words.ts';
import { type Config, examineConfig } from '../../config/config.ts';
import { createDiskSpace } from '../../media/diskSpace.ts';
import { createFileStorage } from '../../media/files/storage.ts';
import { bucketOf } from '../../media/open.ts';
import { createS3Storage } from '../../media/s3/storage.ts';
import { isPublicAddress } from '../../net/allowList.ts';
import { errorCodes } from '../../net/machineTrouble.ts';
import { proxiesOf } from '../../net/proxies.ts';
import { createLog } from '../../observability/log.ts';
import type { Account } from '../../providers/account.ts';
import type { ConfiguredAccount } from '../../providers/definition.ts';
import { UpstreamError } from '../../providers/provider.ts';
import { callbackPath, createRegistry } from '../../providers/registry.ts';
import { explainedFolder, holderOf } from '../../store/folder/lock.ts';
import { refuseBackupFolder, refuseMovedFolder } from '../../store/folder/marks.ts';
import { pendingInPostgres } from '../../store/postgres/migrations.ts';
import { sqlitePath } from '../../store/sqlite/file.ts';
import { pendingInSqlite } from '../../store/sqlite/migrations.ts';
import type { AccountRow } from '../../store/store.ts';
import { OnetakeError } from '../../tasks/errors.ts';
import { newId } from '../../tasks/ids.ts';
import { systemClock } from '../../time/clock.ts';
import { openCommandStore } from './store.ts';

/** One line of the report. The text says what to do, unless the state is `ok`. */
interface Finding {
  readonly about: string;
  readonly state: 'ok' | 'advice' | 'problem';
  readonly text: string;
}

/** Signatures of callbacks are refused after five minutes: a clock that is wrong by a tenth of that needs care. Milliseconds. */
const CLOCK_DIFFERENCE_MS = 30_000;
/** `Date` has whole seconds, and the answer travels for a while. Milliseconds. */
const EQUAL_CLOCKS_MS = 2000;
const KEY_CHECK_MS = 15_000;

/**
 * `onetake doctor [--json]`: checks an installation, also beside a running gateway. It submits nothing and shows no secret. All it
 * writes is what `/readyz` writes: a file that it removes, the row of the write check, and the object `check` of the bucket.
 */
export async function doctorCommand({ json }: { readonly json?: true | undefined }): Promise<number> {
  const findings = await examine(process.env);
  const ok = findings.every(({ state }) => state !== 'problem');
  const width = Math.max(...findings.map(({ about }) => about.length));
  const lines = findings.map(
    ({ about, state, text }) => `${state.padEnd(7)}  ${about.padEnd(width)}  ${text}\n`,
  );
  process.stdout.write(json ? `${JSON.stringify({ ok, findings }, null, 2)}\n` : lines.join(''));
  return ok ? 0 : 1;
}

async function examine(env: NodeJS.ProcessEnv): Promise<readonly Finding[]> {
  const { config, problems } = await examineConfig(env);
  if (!config) return problems.map((text) => ({ about: 'settings', state: 'problem', text }));
  const holder = existsSync(config.dataDir) ? holderOf(config.dataDir) : undefined;
  const store = await storeFindings(config, holder !== undefined);
  return [
    { about: 'settings', state: 'ok', text: 'Valid; the secrets that accounts name are there.' },
    await folderFinding(config, holder),
    store.finding,
    ...(await bucketFindings(config)),
    publicUrlFinding(config),
    ...config.unusedVariables.map(({ text }): Finding => ({ about: 'environment', state: 'advice', text })),
    ...(await accountFindings(config, store.accounts)),
  ];
}

/** `ok` with this text if the check resolves, else the problem. */
async function checked(about: string, text: string, check: () => Promise<unknown>): Promise<Finding> {
  try {
    await check();
    return { about, state: 'ok', text };
  } catch (error) {
    return { about, state: 'problem', text: wordsOf(error) };
  }
}

/** Messages of others may have secrets. */
function wordsOf(error: unknown): string {
  if (error instanceof OnetakeError) return error.message;
  return `It does not work (${errorCodes(error)[0] ?? (error instanceof Error ? error.name : 'unknown')}).`;
}

function folderFinding(config: Config, holder: string | undefined): Promise<Finding> {
  const { dataDir, databaseUrl, diskReserveMb } = config;
  const path = resolve(dataDir);
  if (holder !== undefined) {
    const text = `A gateway${holder} runs on ${path}, so writing there was not tried; its /readyz tells.`;
    return Promise.resolve({ about: 'data folder', state: 'ok', text });
  }
  const isThere = existsSync(path);
  const text = isThere ? `${path} can be written.` : `${path} will be made by the first start.`;
  return checked('data folder', text, async () => {
    if (!isThere) return requireWritable(path);
    if (databaseUrl === undefined) {
      refuseMovedFolder(dataDir);
      refuseBackupFolder(dataDir);
    }
    const space = createDiskSpace({ folder: dataDir, reserveBytes: diskReserveMb * 2 ** 20 });
    await createFileStorage({ root: dataDir, space }).check();
  });
}

/** Throws if a folder that is missing cannot be made. */
function requireWritable(path: string): void {
  let existing = path;
  while (!existsSync(existing)) existing = dirname(existing);
  try {
    // With the dot, a file in place of a folder is an error.
    accessSync(`${existing}/.`, constants.W_OK);
  } catch (error) {
    throw explainedFolder(path, error);
  }
}

async function storeFindings(
  config: Config,
  isRunning: boolean,
): Promise<{ finding: Finding; accounts: readonly AccountRow[] }> {
  const { databaseUrl, databaseSessionUrl, dataDir } = config;
  const about = databaseUrl === undefined ? 'store' : 'database';
  if (databaseUrl === undefined && !existsSync(sqlitePath(dataDir)))
    return { finding: { about, state: 'ok', text: 'Will be made by the first start.' }, accounts: [] };
  let pending: readonly string[] = [];
  let accounts: readonly AccountRow[] = [];
  const isSkipped = isRunning && databaseUrl === undefined;
  const text = isSkipped ? 'Can be read; writing is left to the running gateway.' : 'Can be written.';
  const finding = await checked(about, text, async () => {
    pending =
      databaseUrl === undefined
        ? await pendingInSqlite(dataDir)
        : await pendingInPostgres(databaseSessionUrl ?? databaseUrl);
    // To open the store would apply them.
    if (pending.length > 0) return;
    const store = await openCommandStore(config);
    try {
      if (!isSkipped) await store.check();
      accounts = await store.accounts();
    } finally {
      await store.close();
    }
  });
  if (pending.length === 0) return { finding, accounts };
  const advice = `Can be read. The next start applies ${list(pending, 'and')}, or "onetake migrate" now.`;
  return { finding: { about, state: 'advice', text: advice }, accounts };
}

async function bucketFindings(config: Config): Promise<readonly Finding[]> {
  const bucket = bucketOf(config);
  if (!bucket) return [];
  const scratch = join(config.dataDir, 'scratch');
  const storage = createS3Storage({ ...bucket, proxies: proxiesOf(config), scratch });
  return [await checked('bucket', `${bucket.bucket} can be written.`, () => storage.check())];
}

function publicUrlFinding({ publicUrl }: Config): Finding {
  const about = 'public URL';
  if (publicUrl === undefined) {
    const text =
      'Links lead to the address that the gateway listens on, and no provider can call back: set ONETAKE_PUBLIC_URL to the URL at which clients and providers reach it.';
    return { about, state: 'advice', text };
  }
  const host = new URL(publicUrl).hostname.replace(/^\[|\]$/g, '');
  if (host === 'localhost' || (isIP(host) > 0 && !isPublicAddress(host))) {
    const text = `${publicUrl} is not on the internet, so only providers in the same network can call back: set ONETAKE_PUBLIC_URL to a public URL.`;
    return { about, state: 'advice', text };
  }
  return { about, state: 'ok', text: `${publicUrl}; providers call back below ${publicUrl}/callbacks/.` };
}

async function accountFindings(config: Config, rows: readonly AccountRow[]): Promise<readonly Finding[]> {
  if (config.accounts.length === 0) {
    const text =
      'None: only the built-in renderer can be used. Set the API key of a provider (docs/providers.md).';
    return [{ about: 'accounts', state: 'advice', text }];
  }
  const { dataDir, accounts, publicUrl } = config;
  const registry = await createRegistry({
    settings: { dataDir, previewConcurrency: 0, accounts },
    log: createLog('silent'),
    proxies: proxiesOf(config),
    // Nothing is submitted, so the token is never used.
    callback: (id) =>
      publicUrl === undefined ? undefined : { url: `${publicUrl}${callbackPath(id)}`, token: '' },
  });
  try {
    const catalogue = createCatalogue({
      declared: config.declaredModels,
      overrides: config.models,
      servers: registry.accounts,
    });
    const findings = accounts.map(async (configured) => {
      const account = registry.accounts.find(({ id }) => id === configured.id);
      if (!account) return [];
      const models = catalogue.list().filter((model) => serves(account, model, systemClock.now()));
      return [
        useFinding(
          account,
          models.map(({ id }) => id),
        ),
        ...blockFindings(rows.find((row) => row.account === account.id)),
        callbackFinding(configured, account, publicUrl),
        ...(await clockFindings(account)),
        await keyFinding(account, models[0]),
      ].map((finding) => ({ ...finding, about: `account ${account.id}` }));
    });
    return (await Promise.all(findings)).flat();
  } finally {
    await registry.close();
  }
}

type AccountFinding = Omit<Finding, 'about'>;

function useFinding({ limits, tracking = 'balanced' }: Account, models: readonly string[]): AccountFinding {
  if (models.length === 0) {
    const text =
      'It serves no model: name some under models of the account. Those that its service no longer has are left out (docs/models.md).';
    return { state: 'advice', text };
  }
  const { inFlight, submitsPerMinute, pollsPerSecond, minPollIntervalMs } = limits;
  const text = `It serves ${list(models, 'and')}. ${inFlight} tasks at a time, ${submitsPerMinute} submissions a minute, ${pollsPerSecond} polls a second, ${minPollIntervalMs / 1000} s between polls of a task; tracking ${tracking}.`;
  return { state: 'ok', text };
}

function blockFindings(row: AccountRow | undefined): readonly AccountFinding[] {
  if (!row || row.failures === 0) return [];
  const text = `It is blocked: the provider refused it (${row.reason ?? 'unknown'}). "onetake accounts list" has its message; "onetake accounts retry" tries again.`;
  return [{ state: 'problem', text }];
}

/** Whether callbacks come in fact is only seen when tasks end. */
function callbackFinding(
  { id, definition }: ConfiguredAccount,
  { provider, service }: Account,
  publicUrl: string | undefined,
): AccountFinding {
  if (!Object.values(definition.abilities).some(({ callbacks }) => callbacks))
    return { state: 'ok', text: 'Callbacks of this provider are not used; its jobs are polled.' };
  const url = `${publicUrl ?? '{ONETAKE_PUBLIC_URL}'}${callbackPath(id)}`;
  const needsSetup = !provider.verifyCallback && definition.callbackSetup !== undefined;
  const setup = needsSetup ? definition.callbackSetup?.(url, service) : undefined;
  if (needsSetup && setup === undefined) {
    const text = 'Its server is not known to call back, so its jobs are polled (docs/callbacks.md).';
    return { state: 'ok', text };
  }
  const steps = [
    ...(publicUrl === undefined ? ['set ONETAKE_PUBLIC_URL'] : []),
    ...(setup === undefined ? [] : [setup]),
  ];
  if (steps.length === 0) return { state: 'ok', text: `Callbacks are verified at ${url}.` };
  return {
    state: 'advice',
    text: `Without callbacks its jobs are only polled: ${steps.join('; ')} (docs/callbacks.md).`,
  };
}

/** Asks without credentials, which costs nothing. Accounts whose upstream's clock does not matter are not asked. */
async function clockFindings({ provider }: Account): Promise<readonly AccountFinding[]> {
  if (!provider.upstreamTime) return [];
  let time: number | undefined;
  try {
    time = await provider.upstreamTime();
  } catch (error) {
    const code = errorCodes(error)[0] ?? (error instanceof Error ? error.name : 'unknown');
    const text = `The provider does not answer (${code}): check its address, the network and the proxy.`;
    return [{ state: 'problem', text }];
  }
  if (time === undefined) {
    const text =
      'The provider answers without its time, or with one that is far from the time of this machine: compare the two clocks.';
    return [{ state: 'advice', text }];
  }
  const ms = time - systemClock.now();
  if (Math.abs(ms) < EQUAL_CLOCKS_MS)
    return [{ state: 'ok', text: "The provider answers; its clock agrees with this machine's." }];
  const difference = `${(Math.abs(ms) / 1000).toFixed(1)} s ${ms < 0 ? 'behind' : 'ahead of'} that of this machine`;
  if (Math.abs(ms) < CLOCK_DIFFERENCE_MS)
    return [{ state: 'ok', text: `The provider answers; its clock is ${difference}.` }];
  const text = `The clock of the provider is ${difference}: set this machine's by NTP, or callbacks may be refused.`;
  return [{ state: 'advice', text }];
}

/**
 * Whether the provider refuses the credentials: it is asked for a job that it cannot have, which makes and costs nothing. Adapters that read
 * more from an id than its name do not ask, so that only a refusal proves something.
 */
async function keyFinding(account: Account, model: Model | undefined): Promise<AccountFinding> {
  const { provider } = account;
  const name = `onetake-doctor-${newId()}`;
  const nobodys = { upstreamId: provider.nobodysId?.(name) ?? name, idempotencyKey: newId() };
  // The model decides how some adapters ask.
  const upstreamModel = model
    ? upstreamModelAt(account, model, { duration: model.parameters.duration.default })
    : '';
  const handle = { ...nobodys, upstreamModel, intendedAt: systemClock.now() };
  try {
    await provider.poll(handle, AbortSignal.timeout(KEY_CHECK_MS));
  } catch (error) {
    if (error instanceof UpstreamError && error.reason === 'auth_failed') {
      const text = `The provider refuses the credentials (${error.detail ?? error.message}): check the key, and that it belongs to this service and region.`;
      return { state: 'problem', text };
    }
  }
  return {
    state: 'ok',
    text: 'No refusal of the credentials was seen. Not every provider can be asked without making a video: the first task shows it.',
  };
}
