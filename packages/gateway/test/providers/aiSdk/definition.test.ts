import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createCatalogue } from '../../../src/catalogue/catalogue.ts';
import { createLog } from '../../../src/observability/log.ts';
import { readAccounts } from '../../../src/providers/accounts.ts';
import { aiSdkDefinition } from '../../../src/providers/aiSdk/definition.ts';
import { createRegistry } from '../../../src/providers/registry.ts';

const ENV = { XAI_API_KEY: 'k1', MINIMAX_API_KEY: 'k2', FAL_KEY: 'k3', REPLICATE_API_TOKEN: 'k4' };

const read = (env: Record<string, string>, file: unknown = {}) =>
  readAccounts({ file, env, definitions: [aiSdkDefinition] });

/** The models that are served, each with its accounts. */
async function served(env: Record<string, string>, file: unknown = {}): Promise<Record<string, string[]>> {
  const { accounts, problems } = read(env, file);
  expect(problems).toEqual([]);
  const registry = await createRegistry({
    settings: { dataDir: '/nowhere', previewConcurrency: 0, accounts },
    log: createLog('silent'),
  });
  const catalogue = createCatalogue({ servers: registry.accounts });
  await registry.close();
  return Object.fromEntries(
    registry.accounts.map((account) => [
      account.id,
      catalogue
        .list()
        .filter(({ provider }) => provider === account.providerId)
        .filter(({ id }) => account.models?.has(id) ?? true)
        .filter(({ id }) => catalogue.available(id))
        .map(({ id }) => id),
    ]),
  );
}

describe('accounts of the AI SDK bridge', () => {
  it('are made from common environment variables, one for each service, each with its own models', async () => {
    const models = await served(ENV);
    expect(Object.keys(models)).toEqual(['xai', 'minimax', 'fal', 'replicate']);
    expect(models.xai).toContain('grok-imagine-video-1.5');
    expect(models.minimax).toEqual(['minimax-h3', 'minimax-h3-max']);
    expect(models.fal).toContain('fal-veo3.1');
    expect(models.replicate).toContain('replicate-seedance-1-pro');
    expect(models.xai?.some((id) => id.startsWith('fal-'))).toBe(false);
  });

  it('are not made without a variable, and fal accepts either of its two names', () => {
    expect(read({}).accounts).toEqual([]);
    expect(read({ FAL_API_KEY: 'k' }).accounts).toMatchObject([{ id: 'fal', account: { apiKey: 'k' } }]);
  });

  it('in the file replace those of the environment for the same package, and no others', () => {
    const file = { grok: { provider: 'ai-sdk', package: '@ai-sdk/xai', api_key: { env: 'OTHER' } } };
    const { accounts, problems } = read({ ...ENV, OTHER: 'k9' }, file);
    expect(problems).toEqual([]);
    expect(accounts.map(({ id }) => id)).toEqual(['grok', 'minimax', 'fal', 'replicate']);
    expect(accounts[0]?.account).toMatchObject({ apiKey: 'k9' });
  });

  it('may have their own headers, a base URL, and models under the names of the service', () => {
    const { accounts, problems } = read(ENV, {
      proxy: {
        provider: 'ai-sdk',
        package: '@ai-sdk/replicate',
        api_key: { env: 'REPLICATE_API_TOKEN' },
        base_url: 'http://127.0.0.1:9/v1/',
        headers: { 'x-team': 'video', 'x-pass': { env: 'FAL_KEY' } },
        models: { 'replicate-seedance-1-pro': 'bytedance/seedance-1-pro:abc' },
        limits: { in_flight: 2 },
      },
    });
    expect(problems).toEqual([]);
    expect(accounts[0]?.account).toMatchObject({
      baseUrl: 'http://127.0.0.1:9/v1',
      headers: { 'x-team': 'video', 'x-pass': 'k3' },
      models: { 'replicate-seedance-1-pro': 'bytedance/seedance-1-pro:abc' },
      limits: { inFlight: 2 },
    });
  });

  it.each([
    [
      { package: '@ai-sdk/luma', api_key: { env: 'XAI_API_KEY' } },
      /accounts\.a\.factory: must name the export/,
    ],
    [
      { package: '../evil', api_key: { env: 'XAI_API_KEY' } },
      /accounts\.a\.package: must be the name of an npm/,
    ],
    [{ package: 'file:///x.mjs', factory: 'x', api_key: { env: 'XAI_API_KEY' } }, /accounts\.a\.package/],
    [
      {
        package: '@ai-sdk/xai',
        api_key: { env: 'XAI_API_KEY' },
        headers: { 'bad header': 'x', 'x-good': 'y' },
      },
      /^accounts\.a\.headers: "bad header" is not the name of an HTTP header$/,
    ],
    [
      { package: '@ai-sdk/xai', api_key: { env: 'XAI_API_KEY' }, headers: { 'x-a': 'one\ntwo' } },
      /^accounts\.a\.headers\.x-a: has a line break/,
    ],
    [{ package: '@ai-sdk/xai', api_key: 'plain' }, /accounts\.a\.api_key: must be \{env: NAME\}/],
    [
      { package: '@ai-sdk/nobody-has-this', factory: 'createNobody', api_key: { env: 'XAI_API_KEY' } },
      /^accounts\.a: .*npm install @ai-sdk\/nobody-has-this/,
    ],
  ])('%j is refused with a reason', (members, message) => {
    const { problems } = read(ENV, { a: { provider: 'ai-sdk', ...members } });
    expect(problems.join('\n')).toMatch(message);
  });

  it('as documented are taken', () => {
    const document = readFileSync(
      new URL('../../../../../docs/providers/ai-sdk.md', import.meta.url),
      'utf8',
    );
    const [, yaml = ''] = /```yaml\n([^`]+)```/.exec(document) ?? [];
    const { accounts, problems } = read({ ...ENV, AI_GATEWAY_API_KEY: 'k5' }, parse(yaml).accounts);
    expect(accounts.map(({ id }) => id)).toEqual(
      expect.arrayContaining(['grok', 'my-replicate', 'elsewhere']),
    );
    expect(problems).toEqual([]);
  });

  it('of the environment cannot have a name that the file uses for another account', () => {
    const file = { xai: { provider: 'ai-sdk', package: '@ai-sdk/fal', api_key: { env: 'FAL_KEY' } } };
    expect(read(ENV, file).problems).toEqual([expect.stringContaining('accounts.xai has this name already')]);
  });
});
