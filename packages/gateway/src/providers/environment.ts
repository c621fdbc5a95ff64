import { list } from '../catalogue/words.ts';
import type {
  CommonAccount,
  ConfiguredAccount,
  Environment,
  EnvironmentAccount,
  ProviderDefinition,
} from './definition.ts';

type Definition = ProviderDefinition<CommonAccount>;

/** An account that plain environment variables make. */
export interface MadeAccount extends EnvironmentAccount<CommonAccount> {
  /** The variable that each member was taken from. Secrets name theirs. */
  readonly variableOf: Environment;
}

/** What the variables of a provider make. */
export interface EnvironmentAccounts {
  readonly made: readonly MadeAccount[];
  /** The variables that were read. */
  readonly read: ReadonlySet<string>;
}

/** Variables of a provider that are set and do nothing, and what an operator may write instead. */
export interface UnusedVariables {
  readonly variables: readonly string[];
  readonly text: string;
}

/** The accounts that plain environment variables make. The definition sees only those that it declares. */
export function environmentAccounts(definition: Definition, env: Environment): EnvironmentAccounts {
  const read = new Set<string>();
  const names = [...definition.variables, ...(definition.sharedVariables ?? [])];
  const recording = new Proxy(Object.fromEntries(names.map((name) => [name, env[name]])), {
    get(target, name: string) {
      read.add(name);
      return target[name];
    },
  });
  const made = definition.fromEnvironment(recording);
  const used = () => [...read].filter((name) => env[name]);
  return {
    made: several(definition, made).map((one) => ({ ...one, variableOf: variableOf(one, used(), env) })),
    read,
  };
}

function several(
  { id }: Definition,
  made: ReturnType<Definition['fromEnvironment']>,
): readonly EnvironmentAccount<CommonAccount>[] {
  if (made === undefined) return [];
  // An array's type guard does not narrow a readonly one.
  if (Array.isArray(made)) return made as readonly EnvironmentAccount<CommonAccount>[];
  return [{ id, members: { ...made }, replacedBy: () => true }];
}

function variableOf(
  { members }: EnvironmentAccount<CommonAccount>,
  used: readonly string[],
  env: Environment,
): Environment {
  const variableWith = (value: unknown) => used.find((name) => value && env[name] === value);
  return Object.fromEntries(Object.entries(members).map(([member, value]) => [member, variableWith(value)]));
}

interface Surroundings extends EnvironmentAccounts {
  readonly definition: Definition;
  readonly env: Environment;
  /** Those of `made` that no account of the file replaces. */
  readonly kept: readonly MadeAccount[];
  /** The provider's accounts in the file. */
  readonly ofFile: readonly ConfiguredAccount[];
  /** Variables that any account of the file names. */
  readonly named: ReadonlySet<string>;
}

/** The variables of a provider that are set and that no account uses. */
export function unusedVariables(around: Surroundings): UnusedVariables[] {
  const { definition, env, made, read, kept, named } = around;
  const taken = new Set([...named, ...kept.flatMap((account) => variablesBehind(account, made, read))]);
  const values = new Set([...taken].map((name) => env[name]));
  const unused = definition.variables.filter(
    (name) => isOn(env[name]) && !taken.has(name) && !values.has(env[name]),
  );
  const replaced = made
    .filter((account) => !kept.includes(account))
    .map((account) => {
      const behind = variablesBehind(account, made, read);
      const variables = unused.filter((name) => behind.includes(name));
      return { variables, text: replacedText(around, account, variables) };
    });
  const rest = unused.filter((name) => !replaced.some(({ variables }) => variables.includes(name)));
  return [...replaced, { variables: rest, text: restText(around, rest) }].filter(
    ({ variables }) => variables.length > 0,
  );
}

const isOn = (value: string | undefined): boolean => Boolean(value) && !/^(false|0)$/i.test(value ?? '');

/** The variables that an account is made of: those of its members, and those that were read for no other one. */
function variablesBehind(
  account: MadeAccount,
  made: readonly MadeAccount[],
  read: ReadonlySet<string>,
): readonly string[] {
  const others = new Set(made.filter((other) => other !== account).flatMap(variablesIn));
  return [...read].filter((name) => !others.has(name));
}

const variablesIn = ({ members, variableOf }: MadeAccount): readonly string[] => [
  ...Object.values(members).flatMap((value) => secretIn(value) ?? []),
  ...Object.values(variableOf).filter((name) => name !== undefined),
];

const secretIn = (value: unknown): string | undefined =>
  typeof value === 'object' && value !== null && 'env' in value ? String(value.env) : undefined;

const notUsed = (variables: readonly string[]): string =>
  `${list(variables, 'and')} ${by(variables, 'is', 'are')} set but not used`;

const by = (items: readonly unknown[], one: string, several: string): string =>
  items.length > 1 ? several : one;

const namesOf = (accounts: readonly ConfiguredAccount[]): readonly string[] => [
  ...new Set(accounts.map(({ id, member }) => member?.fleet ?? id)),
];

function replacedText(around: Surroundings, account: MadeAccount, variables: readonly string[]): string {
  const { ofFile } = around;
  const names = namesOf(ofFile.filter((other) => account.replacedBy(other.account)));
  const replacing = list(
    names.map((name) => `accounts.${name}`),
    'and',
  );
  return [
    `${notUsed(variables)}: ${replacing} of onetake.yaml ${by(names, 'replaces', 'replace')} the account that ${by(variables, 'it makes', 'they make')}.`,
    `To have both, add this under accounts, else unset ${by(variables, 'it', 'them')}:`,
    written(around, account, namesOf(ofFile)),
  ].join(' ');
}

function restText(around: Surroundings, variables: readonly string[]): string {
  const { definition, env, kept, ofFile } = around;
  const visible = [...variables, ...(definition.sharedVariables ?? [])];
  const alone = Object.fromEntries(visible.map((name) => [name, env[name]]));
  const { made } = environmentAccounts(definition, alone);
  if (made.length === 0) {
    const inFile = ofFile.length > 0 ? ', and accounts of onetake.yaml use only what they name' : '';
    return `${notUsed(variables)}: alone, ${by(variables, 'it makes', 'they make')} no account${inFile}. Set what is missing, or unset ${by(variables, 'it', 'them')} (docs/providers.md).`;
  }
  if (kept.length === 0) return made.map((account) => replacedText(around, account, variables)).join(' ');
  const taken = [...namesOf(ofFile)];
  const both = [...kept, ...made].map((account) => {
    const text = written(around, account, taken);
    taken.push(nameFor(account, taken));
    return text;
  });
  const instead = list(
    kept.map(({ id }) => id),
    'and',
  );
  return [
    `${notUsed(variables)}: the ${instead} account of the environment is made without ${by(variables, 'it', 'them')}.`,
    `To have both, write both under accounts of onetake.yaml, else unset ${by(variables, 'it', 'them')}:`,
    both.join(' and '),
  ].join(' ');
}

/** A name that no other account has. */
function nameFor({ id }: MadeAccount, taken: readonly string[]): string {
  let name = id;
  for (let number = 2; taken.includes(name); number += 1) name = `${id}-${number}`;
  return name;
}

/** The account as it is written in the file. Values of variables are not shown, because they may hold a password. */
function written({ definition }: Surroundings, account: MadeAccount, taken: readonly string[]): string {
  const members = Object.entries(account.members).flatMap(([member, value]) => {
    if (value === undefined) return [];
    const variable = account.variableOf[member];
    const secret = secretIn(value);
    if (secret !== undefined) return [`${member}: { env: ${secret} }`];
    return [`${member}: ${variable === undefined ? value : `<${variable}>`}`];
  });
  return `${nameFor(account, taken)}: { ${[`provider: ${definition.id}`, ...members].join(', ')} }`;
}
