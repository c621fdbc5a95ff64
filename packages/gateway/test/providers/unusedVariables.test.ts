import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readAccounts } from '../../src/providers/accounts.ts';
import { definitionsOf, SHIPPED } from '../../src/providers/declared/load.ts';
import type { CommonAccount, ProviderDefinition } from '../../src/providers/definition.ts';
import { DEFINITIONS } from '../../src/providers/definitions.ts';

type Definition = ProviderDefinition<CommonAccount>;
const EVERY_DEFINITION = [...DEFINITIONS, ...definitionsOf(SHIPPED)];

const unusedIn = (env: Record<string, string>, file?: unknown) => {
  const { unused, problems } = readAccounts({ file, env, definitions: EVERY_DEFINITION });
  expect(problems).toEqual([]);
  return unused;
};

/** Makes what the definition makes, and lets any account of the file replace it. */
const all =
  ({ fromEnvironment }: Definition): Definition['fromEnvironment'] =>
  (env) => {
    const made = fromEnvironment(env);
    return Array.isArray(made) ? made.map((one) => ({ ...one, replacedBy: () => true })) : made;
  };

const FLEET = {
  gpus: {
    provider: 'openai',
    flavour: 'compatible',
    api_key: { env: 'GPU_KEY' },
    models: ['sora-2'],
    members: { a: { base_url: 'http://10.0.0.1' }, b: { base_url: 'http://10.0.0.2' } },
  },
};
const VERTEX = { GOOGLE_GENAI_USE_VERTEXAI: 'true', GOOGLE_CLOUD_PROJECT: 'my-project' };

describe('variables that no account uses are told', () => {
  it('if an account of the file replaces the one that they make, with what to write to have both', () => {
    const env = { GPU_KEY: 'g', OPENAI_API_KEY: 'sk-1', OPENAI_BASE_URL: 'https://me:secret@h/v1' };
    expect(unusedIn(env, FLEET)).toEqual([
      {
        variables: ['OPENAI_API_KEY', 'OPENAI_BASE_URL'],
        text: 'OPENAI_API_KEY and OPENAI_BASE_URL are set but not used: accounts.gpus of onetake.yaml replaces the account that they make. To have both, add this under accounts, else unset them: openai: { provider: openai, api_key: { env: OPENAI_API_KEY }, base_url: <OPENAI_BASE_URL> }',
      },
    ]);
  });

  it('and what is told to be written is what makes both accounts', () => {
    const env = { GPU_KEY: 'g', OPENAI_API_KEY: 'sk-1' };
    const both = { ...FLEET, openai: { provider: 'openai', api_key: { env: 'OPENAI_API_KEY' } } };
    expect(unusedIn(env, both)).toEqual([]);
  });

  it('if another account of the environment is made instead', () => {
    expect(unusedIn({ GEMINI_API_KEY: 'k', ...VERTEX })).toEqual([
      {
        variables: ['GEMINI_API_KEY'],
        text: 'GEMINI_API_KEY is set but not used: the google account of the environment is made without it. To have both, write both under accounts of onetake.yaml, else unset it: google: { provider: google, api: vertex, project: <GOOGLE_CLOUD_PROJECT> } and google-2: { provider: google, api: gemini, api_key: { env: GEMINI_API_KEY } }',
      },
    ]);
  });

  it('if both is the case', () => {
    const file = { mine: { provider: 'google', api_key: { env: 'MY_KEY' } } };
    const told = unusedIn({ MY_KEY: 'm', GEMINI_API_KEY: 'k', ...VERTEX }, file);
    expect(told.map(({ variables }) => variables)).toEqual([
      ['GOOGLE_GENAI_USE_VERTEXAI'],
      ['GEMINI_API_KEY'],
    ]);
    for (const { text } of told) expect(text).toContain('accounts.mine of onetake.yaml replaces');
  });

  it('if they make no account by themselves', () => {
    expect(unusedIn({ ARK_REGION: 'byteplus', XAI_BASE_URL: 'https://h' })).toEqual([
      { variables: ['ARK_REGION'], text: expect.stringContaining('alone, it makes no account. Set what') },
      { variables: ['XAI_BASE_URL'], text: expect.stringContaining('XAI_BASE_URL is set but not used') },
    ]);
    expect(unusedIn({ GPU_KEY: 'g', OPENAI_ORG_ID: 'org' }, FLEET)).toEqual([
      {
        variables: ['OPENAI_ORG_ID'],
        text: expect.stringContaining('and accounts of onetake.yaml use only what they name'),
      },
    ]);
  });

  it('only of the package that the file has, for the accounts of packages', () => {
    const account = (name: string) => ({ provider: 'ai-sdk', package: name, api_key: { env: 'MINE' } });
    const file = { mine: account('@ai-sdk/xai'), other: account('@ai-sdk/replicate') };
    const told = unusedIn({ MINE: 'm', XAI_API_KEY: 'x', FAL_KEY: 'f', MINIMAX_API_KEY: '' }, file);
    expect(told).toEqual([
      { variables: ['XAI_API_KEY'], text: expect.stringContaining('accounts.mine of onetake.yaml replaces') },
    ]);
  });

  it.each<[string, Record<string, string>]>([
    ['every account is made', { OPENAI_API_KEY: 'o', OPENAI_BASE_URL: 'https://h', ARK_API_KEY: 'a' }],
    ['a switch is off', { GEMINI_API_KEY: 'k', GOOGLE_GENAI_USE_VERTEXAI: 'false' }],
    ['a switch is off and nothing else is set', { GOOGLE_GENAI_USE_VERTEXAI: '0' }],
    ['two variables say the same', { GOOGLE_API_KEY: 'k', GEMINI_API_KEY: 'k' }],
    ['they are there for other programs', { GOOGLE_CLOUD_PROJECT: 'p', STORAGE_EMULATOR_HOST: 'h' }],
  ])('but not if %s', (_when, env) => {
    expect(unusedIn(env)).toEqual([]);
  });

  it('of several that mean the same, those that came second', () => {
    expect(unusedIn({ GOOGLE_API_KEY: 'one', GEMINI_API_KEY: 'two' })).toMatchObject([
      { variables: ['GEMINI_API_KEY'] },
    ]);
    const dashscope = { DASHSCOPE_API_KEY: 'k', DASHSCOPE_BASE_URL: 'https://a' };
    expect(unusedIn({ ...dashscope, DASHSCOPE_HTTP_BASE_URL: 'https://b' })).toMatchObject([
      { variables: ['DASHSCOPE_HTTP_BASE_URL'] },
    ]);
  });

  it.each(
    EVERY_DEFINITION.filter(({ variables }) => variables.length > 0).map((one) => [one.id, one] as const),
  )('each of %s that is set beside an account of the file that replaces them all', (id, definition) => {
    const env = Object.fromEntries(definition.variables.map((name) => [name, `value of ${name}`]));
    const { unused } = readAccounts({
      file: { mine: { provider: id } },
      env,
      definitions: [{ ...definition, schema: () => z.any(), fromEnvironment: all(definition) }],
    });
    expect(unused.flatMap(({ variables }) => variables).sort()).toEqual([...definition.variables].sort());
    expect(unused.map(({ text }) => text).join()).not.toContain('value of');
  });
});
