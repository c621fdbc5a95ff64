import { describe, expect, it } from 'vitest';
import { createLog } from '../../../src/observability/log.ts';
import { readAccounts } from '../../../src/providers/accounts.ts';
import { openaiDefinition } from '../../../src/providers/openai/definition.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { openHttpWhile, ownPermits } from '../../support/openHttp.ts';

const read = (file: unknown, env: Record<string, string> = {}) =>
  readAccounts({ file, env, definitions: [openaiDefinition] });

/** The account of these members as the registry opens it. */
async function opened(members: Record<string, unknown>) {
  const { accounts, problems } = read({ one: { provider: 'openai', ...members } }, { KEY: 'sk-k1' });
  const [only] = accounts;
  if (!only) throw new Error(problems.join());
  const account = await only.definition.open(only.account, {
    id: 'one',
    log: createLog('silent'),
    clock: systemClock,
    callback: undefined,
    permits: ownPermits,
    openHttp: openHttpWhile(),
  });
  await account.provider.close();
  return account;
}

const api_key = { env: 'KEY' };

describe('the jobs that one poll is about', () => {
  it.each([
    [{ api_key }, true],
    [{ api_key, limits: { poll_batch: 1 } }, false],
    [{ base_url: 'http://127.0.0.1:8091/v1' }, false],
    [{ base_url: 'http://127.0.0.1:8091/v1', limits: { poll_batch: 100 } }, true],
  ])('are many in an account of %j: %s', async (members, many) => {
    expect((await opened(members)).provider.pollMany !== undefined).toBe(many);
  });

  it('are no more than a page of the list has', () => {
    const { problems } = read(
      { one: { provider: 'openai', api_key, limits: { poll_batch: 101 } } },
      { KEY: 'k' },
    );
    expect(problems.join()).toMatch(/poll_batch.*at most 100/);
  });
});

describe('an account of the environment', () => {
  it('is made from the variables of the SDK', () => {
    const { accounts, problems } = read(undefined, {
      OPENAI_API_KEY: 'sk-k1',
      OPENAI_BASE_URL: 'http://127.0.0.1:8000/v1/',
      OPENAI_ORG_ID: 'org-1',
      OPENAI_PROJECT_ID: 'proj_1',
      OPENAI_WEBHOOK_SECRET: 'whsec_c2VjcmV0',
    });
    expect(problems).toEqual([]);
    expect(accounts).toMatchObject([
      {
        id: 'openai',
        account: {
          api_key: 'sk-k1',
          base_url: 'http://127.0.0.1:8000/v1',
          organization: 'org-1',
          project: 'proj_1',
          webhook_secret: 'whsec_c2VjcmV0',
          delete_after_collect: false,
        },
      },
    ]);
  });

  it('is not made by a base URL alone, because other programs use it too', () => {
    expect(read(undefined, { OPENAI_BASE_URL: 'http://127.0.0.1:11434/v1' }).accounts).toEqual([]);
  });
});

describe('an account of the file', () => {
  it.each([
    ['without a key at OpenAI', {}, 'accounts.one.api_key: is required'],
    [
      'of Azure without its address',
      { flavour: 'azure', api_key },
      'accounts.one.base_url: is required for the flavour azure',
    ],
    [
      'of a server without its address',
      { flavour: 'compatible' },
      'accounts.one.base_url: is required for the flavour compatible',
    ],
  ])('%s is a problem that says what is missing', (_what, members, problem) => {
    expect(read({ one: { provider: 'openai', ...members } }, { KEY: 'k' }).problems).toEqual([problem]);
  });

  it.each([
    ['whsec_!!!', false],
    ['whsec_', false],
    ['whsec_s', false],
    ['whsec_c2Vj=cmV0', false],
    ['whsec_c2VjcmV0', true],
    ['whsec_c2VjcmV', true],
    ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', true],
    ['any text, as other servers have it', true],
  ])('with the webhook secret %s is taken: %s', (value, taken) => {
    const members = { base_url: 'http://127.0.0.1:8091/v1', webhook_secret: { env: 'HOOK' } };
    const { problems } = read({ one: { provider: 'openai', ...members } }, { HOOK: value });
    expect(problems).toEqual(
      taken ? [] : [expect.stringMatching(/^accounts\.one\.webhook_secret: .*whsec_ must be followed by/)],
    );
  });

  it.each(['organization', 'project'])(
    'cannot have a line break in %s, which is sent in a header',
    (name) => {
      const { problems } = read({ one: { provider: 'openai', api_key, [name]: 'a\nb' } }, { KEY: 'k' });
      expect(problems).toEqual([expect.stringMatching(`^accounts\\.one\\.${name}: has a line break`)]);
    },
  );

  it('needs no key at a self-hosted server', () => {
    const file = { one: { provider: 'openai', base_url: 'http://127.0.0.1:8091/v1' } };
    expect(read(file).problems).toEqual([]);
  });
});

describe('the service', () => {
  it.each([
    [{ api_key }, 100, false],
    [{ api_key, base_url: 'https://eu.api.openai.com/v1' }, 100, false],
    [{ api_key, base_url: 'https://res.openai.azure.com' }, 2, false],
    [{ api_key, base_url: 'https://res.services.ai.azure.com/openai/v1' }, 2, false],
    [{ base_url: 'http://127.0.0.1:8091/v1' }, 8, true],
    [{ api_key, base_url: 'https://api.openai.com.example.com/v1' }, 8, true],
    [{ api_key, base_url: 'http://127.0.0.1:9100/openai/v1', flavour: 'azure' }, 2, false],
  ])(
    'of %j is told by its address, with its limits and whether it cancels',
    async (members, inFlight, cancels) => {
      const { limits, provider } = await opened(members);
      expect([limits.inFlight, provider.cancel !== undefined]).toEqual([inFlight, cancels]);
    },
  );

  it.each([
    [{ api_key }, 'openai', true],
    [{ api_key, base_url: 'https://us.api.openai.com/v1' }, 'openai', true],
    [{ api_key, base_url: 'https://res.openai.azure.com' }, 'azure', true],
    // The address of another service, whatever it speaks.
    [{ api_key, base_url: 'http://127.0.0.1:9100/v1', flavour: 'openai' }, 'openai', false],
    [{ base_url: 'http://127.0.0.1:8091/v1' }, 'compatible', false],
    [{ base_url: 'http://127.0.0.1:30000', flavour: 'sglang' }, 'sglang', false],
  ])('of %j uses the service %s, run by its provider: %s', async (members, service, official) => {
    expect(await opened(members)).toMatchObject({ service, official });
  });
});
