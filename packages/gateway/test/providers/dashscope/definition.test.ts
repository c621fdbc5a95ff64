import { describe, expect, it } from 'vitest';
import { readAccounts } from '../../../src/providers/accounts.ts';
import { dashscopeDefinition } from '../../../src/providers/dashscope/definition.ts';
import { placeOf } from '../../../src/providers/dashscope/regions.ts';
import { DEFINITIONS } from '../../../src/providers/definitions.ts';

const read = (env: Record<string, string>, file?: unknown) =>
  readAccounts({ file, env, definitions: [dashscopeDefinition] });

describe('an account', () => {
  it('is of a known provider', () => {
    expect(DEFINITIONS).toContain(dashscopeDefinition);
  });

  it('comes from the environment variables of other clients', () => {
    expect(read({}).accounts).toEqual([]);
    expect(read({ DASHSCOPE_API_KEY: 'k' }).accounts[0]?.account).toMatchObject({ api_key: 'k' });
    for (const name of ['DASHSCOPE_BASE_URL', 'DASHSCOPE_HTTP_BASE_URL']) {
      const { accounts, problems } = read({ DASHSCOPE_API_KEY: 'k', [name]: 'https://x.test/api/v1' });
      expect(problems).toEqual([]);
      expect(accounts[0]?.account).toMatchObject({ base_url: 'https://x.test/api/v1' });
    }
  });

  it('reports its problems', () => {
    const { problems } = read({}, { wan: { provider: 'dashscope', region: 'mars', base_url: 'x' } });
    expect(problems.join('\n')).toMatch(/accounts\.wan\.api_key/);
    expect(problems.join('\n')).toMatch(/accounts\.wan\.region/);
    expect(problems.join('\n')).toMatch(/accounts\.wan\.base_url/);
  });

  it.each([
    [{}, 'https://dashscope.aliyuncs.com', 'beijing', true],
    [{ region: 'singapore' as const }, 'https://dashscope-intl.aliyuncs.com', 'singapore', true],
    [{ region: 'virginia' as const }, 'https://dashscope-us.aliyuncs.com', 'virginia', true],
    [
      { baseUrl: 'https://dashscope-intl.aliyuncs.com/api/v1' },
      'https://dashscope-intl.aliyuncs.com',
      'singapore',
      true,
    ],
    [
      { baseUrl: 'https://ws1.ap-southeast-1.maas.aliyuncs.com/compatible-mode/v1' },
      'https://ws1.ap-southeast-1.maas.aliyuncs.com',
      'singapore',
      true,
    ],
    [{ baseUrl: 'http://127.0.0.1:9000/wan' }, 'http://127.0.0.1:9000/wan', undefined, false],
  ])('given %o is at %s', (given, baseUrl, region, own) => {
    expect(placeOf(given)).toEqual({ baseUrl, region, own });
  });
});
