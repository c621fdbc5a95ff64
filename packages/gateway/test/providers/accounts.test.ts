import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readAccounts } from '../../src/providers/accounts.ts';
import {
  baseUrl,
  COMMON_ACCOUNT,
  type CommonAccount,
  type ProviderDefinition,
} from '../../src/providers/definition.ts';

/** A definition like those of the adapters. */
const definitionOf = (id: string, variable: string): ProviderDefinition<CommonAccount> => ({
  id,
  abilities: {},
  schema: (secret) => z.strictObject({ ...COMMON_ACCOUNT, api_key: secret, base_url: baseUrl.optional() }),
  fromEnvironment: (env) => (env[variable] ? { api_key: { env: variable } } : undefined),
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
          base_url: 'http://127.0.0.1:1/v1/',
        },
      },
      { A: 'k' },
    );
    expect(problems).toEqual([]);
    expect(accounts.map(({ account }) => account)).toMatchObject([
      { models: ['sky-1'], limits: { inFlight: 3 } },
      { models: { 'sky-2': 'mine' }, base_url: 'http://127.0.0.1:1/v1' },
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
