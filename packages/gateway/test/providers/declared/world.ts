import { startSimulators } from '@onetake/simulators';
import { createLog } from '../../../src/observability/log.ts';
import { readAccounts } from '../../../src/providers/accounts.ts';
import { declaredDefinition } from '../../../src/providers/declared/definition.ts';
import { SHIPPED } from '../../../src/providers/declared/load.ts';
import type { ProviderFile } from '../../../src/providers/declared/schema.ts';
import type { CallbackAddress, CommonAccount, Environment } from '../../../src/providers/definition.ts';
import type { OpenHttp } from '../../../src/providers/http/upstreamHttp.ts';
import type { Provider } from '../../../src/providers/provider.ts';
import type { VideoRequest } from '../../../src/tasks/request.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { openHttpWhile, ownPermits } from '../../support/openHttp.ts';

/** The smallest job of each provider that comes with the gateway. Their simulators have the same names. */
export const SERVICES: Readonly<
  Record<
    string,
    {
      readonly model: string;
      readonly request: Partial<VideoRequest>;
      /** Nothing is billed. */
      readonly isFree?: boolean;
      /** A second submission with the key of the first one makes no other job. */
      readonly knowsKeys?: boolean;
    }
  >
> = {
  kling: { model: 'kling-v3', request: { duration: 3, resolution: '720p', width: 1280, height: 720 } },
  comfyui: {
    model: 'wan2.2_ti2v_5B',
    request: { duration: 1, resolution: '720p', width: 1280, height: 704 },
    isFree: true,
    knowsKeys: true,
  },
  ltx: { model: 'ltx-2-3-fast', request: { duration: 6, resolution: '720p', width: 1280, height: 720 } },
  pixverse: {
    model: 'v6',
    request: { duration: 1, resolution: '720p', width: 1280, height: 720 },
    knowsKeys: true,
  },
  luma: { model: 'ray-2', request: { duration: 5, resolution: '720p', width: 1280, height: 720 } },
  vidu: { model: 'viduq3-turbo', request: { duration: 1, resolution: '720p', width: 1280, height: 720 } },
  runway: { model: 'gen4.5', request: { duration: 2, resolution: '720p', width: 1280, height: 720 } },
};

export function shipped(provider: string): ProviderFile {
  const file = SHIPPED.find((one) => one.provider === provider);
  if (!file) throw new Error(`no file of ${provider}`);
  return file;
}

export const simulatorOf = (provider: string) =>
  startSimulators({ only: [provider], scale: 0.001, limits: false });

interface Opening {
  readonly env: Environment;
  readonly openHttp?: OpenHttp;
  readonly callback?: CallbackAddress | undefined;
  readonly log?: string[];
  /** Members of the account, in place of those that the environment makes. */
  readonly account?: CommonAccount;
}

/** The provider of the account that environment variables make. */
export async function openDeclared(
  file: ProviderFile,
  { env, openHttp = openHttpWhile(), callback, log = [] }: Opening,
): Promise<Provider> {
  const definition = declaredDefinition(file);
  const { accounts, problems } = readAccounts({ file: {}, env, definitions: [definition] });
  const [account] = accounts;
  if (!account) throw new Error(`no account: ${problems.join('; ')}`);
  const opened = await account.definition.open(account.account, {
    id: file.provider,
    log: createLog('debug', { write: (line: string) => void log.push(line) }),
    clock: systemClock,
    callback,
    permits: ownPermits,
    openHttp,
  });
  return opened.provider;
}
