import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createCatalogue } from '../../../src/catalogue/catalogue.ts';
import { readAccounts } from '../../../src/providers/accounts.ts';
import { arkDefinition } from '../../../src/providers/ark/definition.ts';
import type { Environment } from '../../../src/providers/definition.ts';
import { createRegistry } from '../../../src/providers/registry.ts';
import { aRequest } from '../../support/builders.ts';

const BYTEPLUS_URL = 'https://ark.ap-southeast.bytepluses.com/api/v3';

async function opened(env: Environment, file?: unknown) {
  const { accounts, problems } = readAccounts({ file, env, definitions: [arkDefinition] });
  expect(problems).toEqual([]);
  const registry = await createRegistry({
    settings: { dataDir: '/nowhere', previewConcurrency: 0, accounts },
    log: pino({ level: 'silent' }),
  });
  onTestFinished(() => registry.close());
  return registry.accounts;
}

const problemsOf = (account: unknown) =>
  readAccounts({ file: { main: account }, env: { KEY: 'k' }, definitions: [arkDefinition] }).problems;

describe('an Ark account', () => {
  it('exists if the key is in the environment, at Volcengine', async () => {
    const [account] = await opened({ ARK_API_KEY: 'k' });
    expect(account).toMatchObject({
      id: 'ark',
      providerId: 'ark',
      service: 'volcengine',
      official: true,
      limits: {
        inFlight: 50,
        submitsPerMinute: 180,
        pollsPerSecond: 20,
        pollBatch: 180,
        minPollIntervalMs: 1000,
      },
    });
  });

  it('does not exist without a key', async () => {
    expect(await opened({ ARK_BASE_URL: BYTEPLUS_URL })).toEqual([]);
    expect(await opened({ ARK_API_KEY: '' })).toEqual([]);
  });

  it.each<[string, Environment, string, boolean]>([
    ['the address of BytePlus', { ARK_BASE_URL: BYTEPLUS_URL }, 'byteplus', true],
    ['the word for BytePlus', { ARK_REGION: 'byteplus' }, 'byteplus', true],
    ["BytePlus' own word", { ARK_REGION: 'ap-southeast-1' }, 'byteplus', true],
    ["Volcengine's own word", { ARK_REGION: 'cn-beijing' }, 'volcengine', true],
    ['an address of somebody else', { ARK_BASE_URL: 'http://proxy.test/v3' }, 'volcengine', false],
    [
      'an address of somebody else, and a region',
      { ARK_BASE_URL: 'http://proxy.test/v3/', ARK_REGION: 'byteplus' },
      'byteplus',
      false,
    ],
  ])('with %s is at the place that it names', async (_what, env, service, official) => {
    const [account] = await opened({ ARK_API_KEY: 'k', ...env });
    expect(account).toMatchObject({ service, official });
  });

  it('uses the model names of its region', async () => {
    const servers = [
      ...(await opened({ ARK_API_KEY: 'k' })),
      ...(await opened(
        { KEY: 'k' },
        { bp: { provider: 'ark', api_key: { env: 'KEY' }, region: 'byteplus' } },
      )),
    ];
    const catalogue = createCatalogue({ servers });
    const request = aRequest({ model: 'seedance-2.5' });
    expect(servers.map((server) => catalogue.upstreamModelAt(server, request))).toEqual([
      'doubao-seedance-2-5-260628',
      'dreamina-seedance-2-5-260628',
    ]);
  });

  it('in the file may set everything, including limits', async () => {
    const [account] = await opened(
      { KEY: 'k' },
      {
        seedance: {
          provider: 'ark',
          api_key: { env: 'KEY' },
          region: 'volcengine',
          base_url: 'https://ark.cn-beijing.volces.com/api/v3',
          delete_after_collect: true,
          models: { 'seedance-2.0': 'ep-20261101-abcde' },
          limits: { in_flight: 300, poll_batch: 400 },
        },
      },
    );
    expect(account).toMatchObject({ id: 'seedance', limits: { inFlight: 300, pollBatch: 400 } });
    expect(account?.models?.get('seedance-2.0')).toBe('ep-20261101-abcde');
    expect(account?.provider.discard).toBeTypeOf('function');
  });

  it('that is wrong is refused with the problem', () => {
    const key = { env: 'KEY' };
    expect(problemsOf({ provider: 'ark' })).toEqual([expect.stringMatching(/^accounts\.main\.api_key: /)]);
    expect(problemsOf({ provider: 'ark', api_key: 'k' })).toEqual([
      expect.stringContaining('never the secret'),
    ]);
    expect(problemsOf({ provider: 'ark', api_key: key, region: 'mars' })).toEqual([
      expect.stringMatching(/^accounts\.main\.region: /),
    ]);
    expect(problemsOf({ provider: 'ark', api_key: key, base_url: 'ark' })).toEqual([
      expect.stringContaining('must be an http or https URL'),
    ]);
    expect(problemsOf({ provider: 'ark', api_key: key, apikey: 1 })).toHaveLength(1);
  });
});
