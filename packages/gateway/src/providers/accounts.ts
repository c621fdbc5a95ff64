import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { plainWords } from '../catalogue/validate/plainWords.ts';
import { isHeaderValue, NO_HEADER_VALUE } from '../settingSchemas.ts';
import type { CommonAccount, Environment, EnvironmentAccount, ProviderDefinition } from './definition.ts';

/** A configured account, checked by its definition and with its secrets read. */
export interface ConfiguredAccount {
  readonly id: string;
  readonly definition: ProviderDefinition<CommonAccount>;
  readonly account: CommonAccount;
}

interface Reading {
  /** `accounts` of onetake.yaml. */
  readonly file: unknown;
  readonly env: Environment;
  readonly definitions: readonly ProviderDefinition<CommonAccount>[];
  readonly readFile?: (path: string) => string;
}

const MAPPING = z.record(z.string(), z.unknown());
/** The account of the built-in renderer. It exists without being configured. */
export const BUILT_IN = 'preview';
const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/**
 * Reads the accounts of onetake.yaml. For each provider without one there, reads the accounts that plain environment variables
 * make. `problems` lists everything that is wrong.
 */
export function readAccounts({ file, env, definitions, readFile = readText }: Reading): {
  accounts: ConfiguredAccount[];
  problems: string[];
} {
  const problems: string[] = [];
  const accounts: ConfiguredAccount[] = [];
  const secret = secretType(env, readFile);

  function add(
    id: string,
    definition: ProviderDefinition<CommonAccount>,
    members: unknown,
    where: string,
    variables: Environment = {},
  ): void {
    const parsed = definition.schema(secret).safeParse(members, { error: plainWords });
    if (parsed.success) accounts.push({ id, definition, account: parsed.data });
    else
      problems.push(
        ...parsed.error.issues.map(({ path, message }) => `${placeOf(path, where, variables)}: ${message}`),
      );
  }

  const named = MAPPING.safeParse(file ?? {});
  if (!named.success) problems.push('accounts: must be a mapping from names to accounts.');
  for (const [id, written] of Object.entries(named.data ?? {})) {
    const where = `accounts.${id}`;
    const account = MAPPING.safeParse(written);
    if (!account.success) {
      problems.push(`${where}: must be a mapping, with provider and what the provider needs.`);
      continue;
    }
    const { provider, ...members } = account.data;
    const definition = definitions.find((candidate) => candidate.id === provider);
    if (!NAME.test(id)) problems.push(`${where}: a name may hold lower case letters, digits, - and _ only.`);
    if (id === BUILT_IN)
      problems.push(`${where}: this is the name of the built-in renderer; choose another one.`);
    if (definition) add(id, definition, members, where);
    else
      problems.push(`${where}.provider: must be one of ${definitions.map((known) => known.id).join(', ')}.`);
  }
  const ofFile = [...accounts];
  for (const definition of definitions) {
    const named = ofFile.filter((account) => account.definition === definition);
    const { env: recorded, used } = recording(env);
    for (const { id, members, replacedBy } of environmentAccounts(definition, recorded)) {
      if (named.some(({ account }) => replacedBy(account))) continue;
      const where = `the ${id} account of the environment`;
      if (!ofFile.some((account) => account.id === id))
        add(id, definition, members, where, variablesOf(members, used()));
      else problems.push(`${where}: accounts.${id} has this name already; give that account another one.`);
    }
  }
  return { accounts, problems };
}

/** The only catalogue ids that an account serves, each with the upstream's name if the account sets one. */
export function modelsOf({ models }: CommonAccount): ReadonlyMap<string, string | undefined> | undefined {
  if (!models) return undefined;
  return Array.isArray(models)
    ? new Map(models.map((id: string) => [id, undefined]))
    : new Map(Object.entries(models));
}

function environmentAccounts(
  definition: ProviderDefinition<CommonAccount>,
  env: Environment,
): readonly EnvironmentAccount<CommonAccount>[] {
  const made = definition.fromEnvironment(env);
  if (made === undefined) return [];
  // An array's type guard does not narrow a readonly one.
  if (Array.isArray(made)) return made as readonly EnvironmentAccount<CommonAccount>[];
  return [{ id: definition.id, members: { ...made }, replacedBy: () => true }];
}

/** An environment that remembers which of its variables were read. */
function recording(env: Environment): { env: Environment; used(): Environment } {
  const names = new Set<string>();
  const get = (target: Environment, name: string) => {
    names.add(name);
    return target[name];
  };
  return {
    env: new Proxy(env, { get }),
    used: () => Object.fromEntries([...names].map((name) => [name, env[name]])),
  };
}

/** The variable that each member of an account of the environment was taken from. Secrets name theirs. */
function variablesOf(members: Record<string, unknown>, used: Environment): Environment {
  const variableWith = (value: unknown) => Object.keys(used).find((name) => value && used[name] === value);
  return Object.fromEntries(Object.entries(members).map(([member, value]) => [member, variableWith(value)]));
}

/** Where the operator finds a member: its variable, or its path in the file. */
function placeOf(path: readonly PropertyKey[], where: string, variables: Environment): string {
  const variable = variables[String(path[0])];
  if (variable === undefined) return [where, ...path].map(String).join('.');
  return `${variable} (${path.map(String).join('.')} of ${where})`;
}

/** The file names where a secret is. It never holds the secret itself, because files are copied and shown around. */
function secretType(env: Environment, readFile: (path: string) => string): z.ZodType<string> {
  const place = z.union(
    [z.strictObject({ env: z.string().min(1) }), z.strictObject({ file: z.string().min(1) })],
    {
      error: 'must be {env: NAME} or {file: PATH}, never the secret itself',
    },
  );
  return place.transform((from, context) => {
    let value: string | undefined;
    try {
      value = 'env' in from ? env[from.env] : readFile(from.file);
    } catch (error) {
      context.addIssue(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
      return z.NEVER;
    }
    // A file made with an editor or `echo` ends with a line break that is not part of the secret.
    const trimmed = value?.trim();
    const place = 'env' in from ? `the environment variable ${from.env}` : from.file;
    // Every secret is sent in a header, or is made of the same characters.
    if (trimmed && isHeaderValue(trimmed)) return trimmed;
    if (trimmed) context.addIssue(`${place} ${NO_HEADER_VALUE}`);
    else context.addIssue('env' in from ? `${place} is not set` : `${place} is empty`);
    return z.NEVER;
  });
}

const readText = (path: string): string => readFileSync(path, 'utf8');
