import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { plainWords } from '../catalogue/validate/plainWords.ts';
import { isHeaderValue, NO_HEADER_VALUE } from '../settingSchemas.ts';
import type { CommonAccount, ConfiguredAccount, Environment, ProviderDefinition } from './definition.ts';
import { environmentAccounts, type UnusedVariables, unusedVariables } from './environment.ts';
import {
  ACCOUNT_NAME,
  asMember,
  FLEET_MEMBERS,
  NAME_RULE,
  readFleet,
  sameServers,
  type WrittenAccount,
} from './fleet.ts';

interface Reading {
  /** `accounts` of onetake.yaml. */
  readonly file: unknown;
  readonly env: Environment;
  readonly definitions: readonly ProviderDefinition<CommonAccount>[];
  readonly readFile?: (path: string) => string;
  /** `false`: secrets need not be there and are not read, so that no provider can be called. Default: true. */
  readonly readSecrets?: boolean;
}

interface ReadAccounts {
  readonly accounts: ConfiguredAccount[];
  readonly problems: string[];
  readonly unused: readonly UnusedVariables[];
  /** Every secret that was read. */
  readonly secrets: readonly string[];
}

const MAPPING = z.record(z.string(), z.unknown());
/** The account of the built-in renderer. It exists without being configured. */
export const BUILT_IN = 'preview';

/**
 * Reads the accounts of onetake.yaml. For each provider without one there, reads the accounts that plain environment variables
 * make. `problems` lists everything that is wrong, `unused` the variables that are set in vain.
 */
export function readAccounts({
  file,
  env,
  definitions,
  readFile = readText,
  readSecrets = true,
}: Reading): ReadAccounts {
  const problems: string[] = [];
  const accounts: ConfiguredAccount[] = [];
  const unused: UnusedVariables[] = [];
  const secrets: string[] = [];
  const secret = readSecrets ? secretType(env, readFile, secrets) : SECRET_PLACE.transform(() => 'not read');

  function add(definition: ProviderDefinition<CommonAccount>, written: WrittenAccount): void {
    const { id, settings, placeOf, member } = written;
    const ofFleets = definition.fleet ? (member ? FLEET_MEMBERS : ['members']) : [];
    const parsed = definition.schema(secret).safeParse(settings, {
      error: (issue) => plainWords(issue, issue.path?.length ? [] : ofFleets),
    });
    if (!parsed.success) {
      problems.push(...parsed.error.issues.map(({ path, message }) => `${placeOf(path)}: ${message}`));
      return;
    }
    const checked = { id, definition, account: parsed.data };
    const account = member ? asMember(checked, member) : checked;
    if (account) accounts.push(account);
    else {
      const advice = definition.withoutFleet === undefined ? '' : ` ${definition.withoutFleet}`;
      problems.push(
        `${placeOf(['members'])}: are for servers of your own, not for accounts of a service.${advice}`,
      );
    }
  }

  const written = MAPPING.safeParse(file ?? {});
  if (!written.success) problems.push('accounts: must be a mapping from names to accounts.');
  for (const [id, members] of Object.entries(written.data ?? {})) {
    const where = `accounts.${id}`;
    const account = MAPPING.safeParse(members);
    if (!account.success) {
      problems.push(`${where}: must be a mapping, with provider and what the provider needs.`);
      continue;
    }
    const { provider, ...settings } = account.data;
    const definition = definitions.find((candidate) => candidate.id === provider);
    if (!ACCOUNT_NAME.test(id)) problems.push(`${where}: ${NAME_RULE}.`);
    if (id === BUILT_IN)
      problems.push(`${where}: this is the name of the built-in renderer; choose another one.`);
    if (definition) {
      const fleet = readFleet(id, settings);
      problems.push(...fleet.problems);
      for (const account of fleet.accounts) add(definition, account);
    } else
      problems.push(`${where}.provider: must be one of ${definitions.map((known) => known.id).join(', ')}.`);
  }
  const ofFile = [...accounts];
  const named = variablesNamedIn(written.data);
  for (const definition of definitions) {
    const own = ofFile.filter((account) => account.definition === definition);
    const { made, read } = environmentAccounts(definition, env);
    const kept = made.filter(({ replacedBy }) => !own.some(({ account }) => replacedBy(account)));
    for (const { id, members, variableOf } of kept) {
      const where = `the ${id} account of the environment`;
      if (!ofFile.some((account) => account.id === id))
        add(definition, { id, settings: members, placeOf: placeIn(where, variableOf) });
      else problems.push(`${where}: accounts.${id} has this name already; give that account another one.`);
    }
    unused.push(...unusedVariables({ definition, env, made, read, kept, ofFile: own, named }));
  }
  // Members of a fleet may share what is wrong.
  return { accounts, problems: [...new Set([...problems, ...sameServers(accounts)])], unused, secrets };
}

/** The only catalogue ids that an account serves, each with the upstream's name if the account sets one. */
export function modelsOf({ models }: CommonAccount): ReadonlyMap<string, string | undefined> | undefined {
  if (!models) return undefined;
  return Array.isArray(models)
    ? new Map(models.map((id: string) => [id, undefined]))
    : new Map(Object.entries(models));
}

/** Where the operator finds a member of an account of the environment: its variable, if it has one. */
const placeIn =
  (where: string, variables: Environment) =>
  (path: readonly PropertyKey[]): string => {
    const variable = variables[String(path[0])];
    if (variable === undefined) return [where, ...path].map(String).join('.');
    return `${variable} (${path.map(String).join('.')} of ${where})`;
  };

/** The variables that a part of the file names as the places of secrets. */
function variablesNamedIn(value: unknown): ReadonlySet<string> {
  if (typeof value !== 'object' || value === null) return new Set();
  const own = 'env' in value && typeof value.env === 'string' ? [value.env] : [];
  return new Set([...own, ...Object.values(value).flatMap((member) => [...variablesNamedIn(member)])]);
}

/** The file names where a secret is. It never holds the secret itself, because files are copied and shown around. */
const SECRET_PLACE = z.union(
  [z.strictObject({ env: z.string().min(1) }), z.strictObject({ file: z.string().min(1) })],
  { error: 'must be {env: NAME} or {file: PATH}, never the secret itself' },
);

function secretType(env: Environment, readFile: (path: string) => string, read: string[]): z.ZodType<string> {
  return SECRET_PLACE.transform((from, context) => {
    let value: string | undefined;
    try {
      value = 'env' in from ? env[from.env] : readFile(from.file);
    } catch (error) {
      context.addIssue(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
      return z.NEVER;
    }
    // A file made with an editor or `echo` ends with a line break that is not part of the secret.
    const trimmed = value?.trim();
    if (trimmed) read.push(trimmed);
    const place = 'env' in from ? `the environment variable ${from.env}` : from.file;
    // Every secret is sent in a header, or is made of the same characters.
    if (trimmed && isHeaderValue(trimmed)) return trimmed;
    if (trimmed) context.addIssue(`${place} ${NO_HEADER_VALUE}`);
    else context.addIssue('env' in from ? `${place} is not set` : `${place} is empty`);
    return z.NEVER;
  });
}

const readText = (path: string): string => readFileSync(path, 'utf8');
