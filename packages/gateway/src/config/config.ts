import { dirname, join } from 'node:path';
import { z } from 'zod';
import { changedModels, type DeclaredEntry } from '../catalogue/catalogue.ts';
import { servicesOf } from '../catalogue/providerInfo.ts';
import { nearest } from '../catalogue/validate/nearest.ts';
import { plainWords } from '../catalogue/validate/plainWords.ts';
import { readAccounts } from '../providers/accounts.ts';
import { lostByChanges } from '../providers/declared/contradictions.ts';
import {
  type DeclaredProviders,
  definitionsOf,
  modelsOf,
  parseProvider,
  readProvider,
  SHIPPED,
} from '../providers/declared/load.ts';
import type { ProviderFile } from '../providers/declared/schema.ts';
import type { ConfiguredAccount } from '../providers/definition.ts';
import { DEFINITIONS } from '../providers/definitions.ts';
import type { UnusedVariables } from '../providers/environment.ts';
import { accountProblems } from '../providers/registry.ts';
import { invalidSettings } from '../tasks/errors.ts';
import { readYaml, type YamlFile } from '../yamlFile.ts';
import { type Known, problemsTogether, type Values } from './crossField.ts';
import { filesNow, type SettingsFiles } from './files.ts';
import { CLIENT_VARIABLES, SETTINGS, type Setting, type SettingName, TOOL_VARIABLES } from './settings.ts';

type Defaults = { [K in SettingName as (typeof SETTINGS)[K] extends { default: string } ? K : never]: K };

/** All settings, checked. Those without a default may be absent. */
export type Config = {
  readonly [K in keyof Defaults]: z.output<(typeof SETTINGS)[K]['schema']>;
} & {
  readonly [K in Exclude<SettingName, keyof Defaults>]?: z.output<(typeof SETTINGS)[K]['schema']>;
} & {
  /** `models` in onetake.yaml: changes to the catalogue, which are checked by the catalogue. */
  readonly models: Readonly<Record<string, unknown>>;
  /** The models of providers that files declare. */
  readonly declaredModels: readonly DeclaredEntry[];
  /** onetake.yaml as it was read, to tell what of it has changed. */
  readonly file: Readonly<Record<string, unknown>>;
  /** `accounts` in onetake.yaml, and those configured by plain environment variables. */
  readonly accounts: readonly ConfiguredAccount[];
  /** Variables of providers that are set and that no account uses. */
  readonly unusedVariables: readonly UnusedVariables[];
  /** What must never be shown: keys, passwords, secrets of accounts. */
  readonly secrets: readonly string[];
};

/** All settings but the secrets of accounts, which are not read: what a command needs that calls no provider. */
export type LocalConfig = Omit<Config, 'accounts' | 'unusedVariables' | 'secrets'> & {
  readonly accounts: readonly { readonly id: string; readonly provider: string }[];
};

/** The file that settings are read from, besides the environment, unless `ONETAKE_CONFIG` names another one. */
const CONFIG_FILE = 'onetake.yaml';
/** The same name with the other extension of YAML. It is not read, and reported if it exists. */
const OTHER_FILE = 'onetake.yml';

/** The path of the settings file, which need not exist. In compose files an empty variable usually means "not set". */
export const configFile = (env: NodeJS.ProcessEnv): string => env.ONETAKE_CONFIG || CONFIG_FILE;

type ReadFile = SettingsFiles['read'];

/** The folder beside the file whose files declare providers. */
const PROVIDERS_FOLDER = 'providers';

/**
 * Reads all settings. A setting is taken from the environment, else from `onetake.yaml`, else from its plain variable, else it is
 * the default. Throws a single error that lists everything that is wrong.
 */
export function readConfig(env: NodeJS.ProcessEnv, readFile: ReadFile = filesNow.read): Config {
  const { config, problems } = collect(env, readFile);
  if (problems.length > 0) throw invalidSettings(problems);
  // Each member was parsed by its own schema.
  return config as Config;
}

/** Like `readConfig`, for a command that calls no provider: the secrets of accounts need not be there. */
export function readLocalConfig(env: NodeJS.ProcessEnv, readFile: ReadFile = filesNow.read): LocalConfig {
  const { config, problems } = collect(env, readFile, { readSecrets: false });
  if (problems.length > 0) throw invalidSettings(problems);
  return localConfig(config);
}

/** Like `readLocalConfig`, for a command that opens the storage of media. */
export async function checkLocalConfig(
  env: NodeJS.ProcessEnv,
  readFile: ReadFile = filesNow.read,
): Promise<LocalConfig> {
  const { config, problems } = collect(env, readFile, { readSecrets: false });
  problems.push(...(await bucketProblems(config)));
  if (problems.length > 0) throw invalidSettings(problems);
  return localConfig(config);
}

function localConfig({ accounts, ...config }: Known): LocalConfig {
  const known = accounts.map(({ id, definition }) => ({ id, provider: definition.id }));
  // Each member was parsed by its own schema.
  return { ...(config as Config), accounts: known };
}

/**
 * Like `readConfig`, for a process that opens everything: also loads the packages of accounts and looks for the region of the
 * bucket. It creates nothing and makes no requests. Throws a single error that lists everything that is wrong.
 */
export async function checkConfig(
  env: NodeJS.ProcessEnv,
  files: ReadFile | SettingsFiles = filesNow,
): Promise<Config> {
  const { config, problems } = await examineConfig(env, files);
  if (!config) throw invalidSettings(problems);
  return config;
}

/** Like `checkConfig`, but returns what is wrong, one sentence per problem. There is a config only if nothing is. */
export function examineConfig(
  env: NodeJS.ProcessEnv,
  files: ReadFile | SettingsFiles = filesNow,
): Promise<Examined> {
  return examine(collect(env, files));
}

/** Like `examineConfig`, of a settings file that was there: that it is missing is wrong, too. */
export function examineChangedConfig(env: NodeJS.ProcessEnv): Promise<Examined> {
  return examine(collect(env, filesNow, { wasThere: true }));
}

interface Examined {
  readonly config: Config | undefined;
  readonly problems: readonly string[];
}

async function examine({ config, problems }: Collected): Promise<Examined> {
  problems.push(...(await accountProblems(config.accounts)), ...(await bucketProblems(config)));
  // Each member was parsed by its own schema.
  return { config: problems.length > 0 ? undefined : (config as Config), problems };
}

async function bucketProblems({ s3Bucket, s3Endpoint, s3Region }: Known): Promise<string[]> {
  if (s3Bucket === undefined || s3Endpoint !== undefined || s3Region !== undefined) return [];
  // Imported only if there is a bucket, because the SDK takes a while to load.
  const { hasDefaultRegion } = await import('../media/s3/client.ts');
  return (await hasDefaultRegion())
    ? []
    : [
        'ONETAKE_S3_REGION: is missing, and neither AWS_REGION nor a shared file of the AWS SDK names a region.',
      ];
}

/** The valid settings, and everything that is wrong with the others. */
interface Collected {
  readonly config: Known;
  readonly problems: string[];
}

interface Collecting {
  /** That the settings file is missing is wrong, too. */
  readonly wasThere?: boolean;
  readonly readSecrets?: boolean;
}

function collect(
  env: NodeJS.ProcessEnv,
  from: ReadFile | SettingsFiles,
  { wasThere = false, readSecrets = true }: Collecting = {},
): Collected {
  const files = typeof from === 'function' ? { ...filesNow, read: from } : from;
  const readFile = files.read;
  const problems: string[] = [];
  const path = configFile(env);
  const missing = env.ONETAKE_CONFIG ? `ONETAKE_CONFIG: the file ${path} does not exist.` : undefined;
  const gone = wasThere ? `${path}: does not exist any more.` : undefined;
  const read = readSettings(path, readFile, missing ?? gone, problems);
  if (!env.ONETAKE_CONFIG && isThere(OTHER_FILE, readFile)) {
    problems.push(`${OTHER_FILE}: is not read; rename it to ${CONFIG_FILE}, or name it with ONETAKE_CONFIG.`);
  }
  const {
    models: changes,
    accounts: fileAccounts,
    providers: inline,
    ...fileSettings
  } = read?.settings ?? {};
  const declared = readProviders(path, read?.file, inline, files, problems);
  const {
    accounts,
    problems: wrongAccounts,
    unused,
    secrets,
  } = readAccounts({
    file: fileAccounts,
    env,
    definitions: [...DEFINITIONS, ...definitionsOf(declared)],
    readSecrets,
  });
  problems.push(...wrongAccounts, ...unknownNames(path, fileSettings, env));
  const mapping = MAPPING.safeParse(changes ?? {});
  if (!mapping.success) problems.push(`${path}: models must be a mapping from model ids to what changes.`);
  const { values, problems: valueProblems } = readValues(path, fileSettings, env);
  const config: Known = {
    ...values,
    file: read?.settings ?? {},
    models: mapping.data ?? {},
    declaredModels: declared.flatMap(modelsOf),
    accounts,
    unusedVariables: unused,
    secrets: [...secrets, ...secretsAmong(values)],
  };
  const changed = changedModels(config.models, config.declaredModels);
  const lost = declared.flatMap((file) =>
    lostByChanges(
      file,
      changed.filter(({ provider }) => provider === file.provider),
    ),
  );
  problems.push(...valueProblems, ...problemsTogether(config), ...lost);
  return { config, problems };
}

/** The values of secret settings. Of a URL it is the password. */
function secretsAmong(values: Values): string[] {
  return Object.entries<Setting>(SETTINGS).flatMap(([name, { secret }]) => {
    const value: unknown = Reflect.get(values, name);
    if (!secret || typeof value !== 'string') return [];
    const password =
      /:\/\/[^/?#]*?:([^/?#]*)@/.exec(value)?.[1] ?? /\bpassword\s*=\s*'?([^'&\s]*)/.exec(value)?.[1];
    if (password !== undefined) return [password, decoded(password)];
    return value.includes('://') ? [] : [value];
  });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function isThere(path: string, readFile: ReadFile): boolean {
  try {
    return readFile(path) !== undefined;
  } catch {
    // The file exists but cannot be read.
    return true;
  }
}

function unknownNames(
  path: string,
  fileSettings: Readonly<Record<string, unknown>>,
  env: NodeJS.ProcessEnv,
): string[] {
  const problems: string[] = [];
  const variables = new Set<string>(Object.values(SETTINGS).map(({ env: name }) => name));
  const fileNames = new Set([...variables].map(fileName));
  const known = new Set([...variables, 'ONETAKE_CONFIG', ...Object.keys(CLIENT_VARIABLES)]);
  for (const name of Object.keys(fileSettings)) {
    if (fileNames.has(name)) continue;
    problems.push(
      `${path}: there is no setting "${name}"; ${meant(name, [...fileNames, 'models', 'accounts', 'providers'])}`,
    );
  }
  for (const name of Object.keys(env)) {
    if (!name.startsWith('ONETAKE_') || known.has(name) || TOOL_VARIABLES.test(name)) continue;
    problems.push(`${name}: there is no such setting; ${meant(name, [...known])}`);
  }

  return problems;
}

/** Reads each setting by itself: from the environment, the file, a plain variable, or its default. */
function readValues(
  path: string,
  fileSettings: Readonly<Record<string, unknown>>,
  env: NodeJS.ProcessEnv,
): { values: Values; problems: string[] } {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries<Setting>(SETTINGS)) {
    const { env: variable, plainEnv, schema, default: fallback } = setting;
    const fromFile = asText(fileSettings[fileName(variable)], setting);
    if (fromFile === undefined) {
      problems.push(`${variable}: must be one value in ${path}${setting.list ? ', or a list of them' : ''}.`);
      continue;
    }
    const ours = env[variable] || fromFile;
    const plain = ours ? undefined : plainEnv?.find((name) => env[name]);
    const raw = ours || (plain && env[plain]) || fallback;
    if (raw === undefined) continue;
    const parsed = schema.safeParse(raw, { error: plainWords });
    if (parsed.success) values[name] = parsed.data;
    else {
      const wrong = parsed.error.issues.map((issue) => issue.message);
      problems.push(`${plain ?? variable}: ${wrong.join('; ')}.`);
    }
  }
  // Each member was parsed by its own schema above.
  return { values: values as Values, problems };
}

/** `ONETAKE_DATA_DIR` is `data_dir` in the file. */
const fileName = (variable: string): string => variable.slice('ONETAKE_'.length).toLowerCase();

/** Suggests the known name that is most similar to a wrong one, ignoring the common prefix. */
function meant(name: string, candidates: readonly string[]): string {
  const tail = (full: string) => full.replace(/^ONETAKE_/, '');
  const [like] = nearest(tail(name), candidates.map(tail), 1);
  const known = like === undefined ? undefined : candidates.find((candidate) => tail(candidate) === like);
  return known === undefined ? 'see docs/settings.md.' : `did you mean ${known}? See docs/settings.md.`;
}

/** Converts a value of the file to the form used in a variable: empty if there is none, undefined if its type is wrong. */
function asText(value: unknown, { list }: Setting): string | undefined {
  if (value === undefined || value === null) return '';
  if (list && Array.isArray(value)) {
    return value.every((item) => typeof item !== 'object') ? value.join(',') : undefined;
  }
  return typeof value === 'object' ? undefined : String(value);
}

/** The settings file; undefined if there is none, or it cannot be read. */
function readSettings(
  path: string,
  readFile: ReadFile,
  /** What is wrong if there is none. */
  missing: string | undefined,
  problems: string[],
): { file: YamlFile; settings: Readonly<Record<string, unknown>> } | undefined {
  let text: string | undefined;
  try {
    text = readFile(path);
  } catch (error) {
    problems.push(`${path}: cannot be read (${error instanceof Error ? error.message : String(error)}).`);
    return undefined;
  }
  if (text === undefined) {
    if (missing !== undefined) problems.push(missing);
    return undefined;
  }
  const { file, problems: wrong } = readYaml(path, text);
  problems.push(...wrong);
  if (!file) return undefined;
  const mapping = MAPPING.safeParse(file.value);
  if (mapping.success) return { file, settings: mapping.data };
  problems.push(`${path}: must be a mapping from names to values.`);
  return undefined;
}

const MAPPING = z.record(z.string(), z.unknown());

/** The providers that come with the gateway, those of the folder beside the settings file, and those inside it. */
function readProviders(
  path: string,
  file: YamlFile | undefined,
  inline: unknown,
  files: SettingsFiles,
  problems: string[],
): readonly ProviderFile[] {
  const own = readFolder(join(dirname(path), PROVIDERS_FOLDER), files);
  const named = MAPPING.safeParse(inline ?? {});
  if (!named.success) problems.push(`${path}: providers must be a mapping from names to providers.`);
  for (const [provider, members] of Object.entries(named.data ?? {})) {
    const value = MAPPING.safeParse(members);
    const declaration = value.success ? { provider, ...value.data } : members;
    if (file) own.push(parseProvider(file, ['providers', provider], declaration));
  }
  problems.push(...own.flatMap((one) => one.problems));
  const declared = own.flatMap((one) => one.files);
  const names = declared.map(({ provider }) => provider);
  problems.push(
    ...names
      .filter((name) => isBuiltIn(name))
      .map(
        (name) => `providers: ${name} is a provider of the gateway itself; choose another name for yours.`,
      ),
    ...names
      .filter((name, index) => names.indexOf(name) < index)
      .map((name) => `providers: ${name} is declared twice.`),
  );
  return [...SHIPPED.filter(({ provider }) => !names.includes(provider)), ...declared];
}

const isBuiltIn = (name: string): boolean =>
  DEFINITIONS.some(({ id }) => id === name) || Object.keys(servicesOf(name)).length > 0;

function readFolder(folder: string, files: SettingsFiles): DeclaredProviders[] {
  try {
    return files.readFolder(folder).map(({ path, text }) => readProvider(path, text));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    // Of a system call: the file, or the folder itself.
    const { path = folder } = error as NodeJS.ErrnoException;
    return [{ files: [], problems: [`${path}: cannot be read (${why}).`] }];
  }
}
