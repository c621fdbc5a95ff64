import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readAccounts } from '../../src/providers/accounts.ts';
import {
  COMMON_ACCOUNT,
  type CommonAccount,
  type ProviderDefinition,
} from '../../src/providers/definition.ts';
import { DEFINITIONS as EVERY_DEFINITION } from '../../src/providers/definitions.ts';
import { baseUrl } from '../../src/settingSchemas.ts';

/** A definition like those of the adapters. */
const definitionOf = (id: string, variable: string): ProviderDefinition<CommonAccount> => ({
  id,
  abilities: {},
  schema: (secret) => z.strictObject({ ...COMMON_ACCOUNT, api_key: secret, base_url: baseUrl.optional() }),
  variables: [variable, `${id}_url`, 'NORTH', 'SOUTH'],
  fromEnvironment: (env) =>
    env[variable]
      ? { api_key: { env: variable }, ...(env[`${id}_url`] ? { base_url: env[`${id}_url`] } : {}) }
      : undefined,
  open() {
    throw new Error('nothing is opened here');
  },
});

const DEFINITIONS = [definitionOf('sky', 'SKY_KEY'), definitionOf('sea', 'SEA_KEY')];
const read = (file: unknown, env: Record<string, string> = {}, files: Record<string, string> = {}) =>
  readAccounts({
    file,
    env,
    definitions: DEFINITIONS,
    readFile(path) {
      const text = files[path];
      if (text === undefined) throw new Error(`ENOENT: no such file, open '${path}'`);
      return text;
    },
  });

describe('accounts', () => {
  it('come from common environment variables, without any file', () => {
    const { accounts, problems } = read(undefined, { SKY_KEY: 'k1' });
    expect(problems).toEqual([]);
    expect(accounts).toMatchObject([{ id: 'sky', account: { api_key: 'k1' } }]);
  });

  it('in the file replace those of the environment for the same provider, and no others', () => {
    const file = { main: { provider: 'sky', api_key: { env: 'OTHER' } } };
    const { accounts } = read(file, { SKY_KEY: 'k1', SEA_KEY: 'k2', OTHER: 'k3' });
    expect(accounts.map(({ id, account }) => [id, account])).toMatchObject([
      ['main', { api_key: 'k3' }],
      ['sea', { api_key: 'k2' }],
    ]);
  });

  it('can be several of one provider, each with its models and limits', () => {
    const { accounts, problems } = read(
      {
        one: { provider: 'sky', api_key: { env: 'A' }, models: ['sky-1'], limits: { in_flight: 3 } },
        two: {
          provider: 'sky',
          api_key: { env: 'A' },
          models: { 'sky-2': 'mine' },
          tracking: 'latency',
          base_url: 'http://127.0.0.1:1/v1/',
        },
      },
      { A: 'k' },
    );
    expect(problems).toEqual([]);
    expect(accounts.map(({ account }) => account)).toMatchObject([
      { models: ['sky-1'], limits: { inFlight: 3 } },
      { models: { 'sky-2': 'mine' }, tracking: 'latency', base_url: 'http://127.0.0.1:1/v1' },
    ]);
  });

  it('of the environment may be several of one provider, each with its own name', () => {
    const several: ProviderDefinition<CommonAccount> = {
      ...definitionOf('wind', 'UNUSED'),
      fromEnvironment: (env) =>
        ['NORTH', 'SOUTH'].flatMap((name) =>
          env[name]
            ? [
                {
                  id: name.toLowerCase(),
                  members: { api_key: { env: name }, models: [name] },
                  replacedBy: ({ models }: CommonAccount) =>
                    JSON.stringify(models) === JSON.stringify([name]),
                },
              ]
            : [],
        ),
    };
    const names = (file: unknown) =>
      readAccounts({
        file,
        env: { NORTH: 'k1', SOUTH: 'k2' },
        definitions: [several, ...DEFINITIONS],
      }).accounts.map(({ id }) => id);
    expect(names({})).toEqual(['north', 'south']);
    const mine = { provider: 'wind', api_key: { env: 'SOUTH' }, models: ['SOUTH'] };
    expect(names({ mine })).toEqual(['mine', 'north']);
  });

  it('read secrets from files, without the line break that editors leave', () => {
    const { accounts } = read(
      { one: { provider: 'sky', api_key: { file: 'key.txt' } } },
      {},
      { 'key.txt': 'k9\n' },
    );
    expect(accounts).toMatchObject([{ account: { api_key: 'k9' } }]);
  });

  it.each([
    ['a line break', 'k1\nk2'],
    ['a null character', 'k1\0'],
    ['a character beyond Latin-1', 'k1\u2019'],
  ])('cannot have a secret with %s, because no header carries it', (_what, key) => {
    const file = {
      one: { provider: 'sky', api_key: { env: 'A' } },
      two: { provider: 'sky', api_key: { file: 'key.txt' } },
    };
    const { problems } = read(file, { A: key }, { 'key.txt': key });
    expect(problems).toEqual([
      expect.stringMatching(/^accounts\.one\.api_key: the environment variable A has a line break or/),
      expect.stringMatching(/^accounts\.two\.api_key: key\.txt has a line break or/),
    ]);
    expect(problems.join()).not.toContain('k1');
  });

  it.each(['http://h/v1#frag', 'http://h/v1?a=b', 'http://user:pw@h/v1', 'http://user@h', 'http://h:0'])(
    'cannot have the base URL %s',
    (url) => {
      const { problems } = read(
        { one: { provider: 'sky', api_key: { env: 'A' }, base_url: url } },
        { A: 'k' },
      );
      expect(problems).toEqual([expect.stringMatching(/^accounts\.one\.base_url: must /)]);
    },
  );

  it('of the environment name the variable that is wrong', () => {
    const env = { other: 'http://h?a', SKY_KEY: 'k', sky_url: 'http://h?a' };
    expect(read(undefined, env).problems).toEqual([
      expect.stringMatching(/^sky_url \(base_url of the sky account of the environment\): must be a URL/),
    ]);
  });

  it('report all problems at once, each with its place', () => {
    const { problems } = read({
      'Bad Name': { provider: 'sky', api_key: { env: 'NOT_SET' } },
      typo: { provider: 'sky', api_key: { file: 'missing.txt' }, limts: {} },
      stranger: { provider: 'moon' },
      plain: { provider: 'sea', api_key: 'sk-in-the-file' },
    });
    const text = problems.join('\n');
    expect(text).toContain('accounts.Bad Name: a name may hold lower case letters');
    expect(text).toContain('the environment variable NOT_SET is not set');
    expect(text).toContain("open 'missing.txt'");
    expect(text).toContain('limts');
    expect(text).toContain('accounts.stranger.provider: must be one of sky, sea');
    expect(text).toContain('accounts.plain.api_key: must be {env: NAME} or {file: PATH}');
    expect(text).not.toContain('sk-in-the-file');
  });

  it('must be a mapping', () => {
    expect(read(['sky']).problems).toEqual(['accounts: must be a mapping from names to accounts.']);
  });
});

describe('an account of every provider', () => {
  it.each(EVERY_DEFINITION.map(({ id }) => id))(
    '%s: is refused with a URL or a key that cannot work',
    (id) => {
      const bridge = id === 'ai-sdk' ? { package: '@ai-sdk/xai' } : {};
      const problemsOf = (members: object, key = 'k') =>
        readAccounts({
          file: { one: { provider: id, ...bridge, api_key: { env: 'KEY' }, ...members } },
          env: { KEY: key },
          definitions: EVERY_DEFINITION,
        }).problems;
      expect(problemsOf({ base_url: 'https://h/v1' })).toEqual([]);
      for (const url of ['https://h/v1?a=b', 'https://h/v1#c', 'https://user:pw@h/v1']) {
        expect(problemsOf({ base_url: url })).toEqual([
          expect.stringMatching(/^accounts\.one\.base_url: must be a URL without/),
        ]);
      }
      expect(problemsOf({}, 'one\ntwo')).toEqual([
        expect.stringMatching(/^accounts\.one\.api_key: the environment variable KEY has a line break/),
      ]);
    },
  );
});
