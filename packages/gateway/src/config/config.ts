import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { nearest } from '../catalogue/validate/nearest.ts';
import { plainWords } from '../catalogue/validate/plainWords.ts';
import { type ConfiguredAccount, readAccounts } from '../providers/accounts.ts';
import { DEFINITIONS } from '../providers/definitions.ts';
import { accountProblems } from '../providers/registry.ts';
import { invalidSettings } from '../tasks/errors.ts';
import { type Known, problemsTogether, type Values } from './crossField.ts';
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
  /** `accounts` in onetake.yaml, and those configured by plain environment variables. */
  readonly accounts: readonly ConfiguredAccount[];
};

/** The file that settings are read from, besides the environment, unless `ONETAKE_CONFIG` names another one. */
const CONFIG_FILE = 'onetake.yaml';
/** The same name with the other extension of YAML. It is not read, and reported if it exists. */
const OTHER_FILE = 'onetake.yml';

type ReadFile = (path: string) => string | undefined;

/**
 * Reads all settings. A setting is taken from the environment, else from `onetake.yaml`, else from its plain variable, else it is
 * the default. Throws a single error that lists everything that is wrong.
 */
export function readConfig(env: NodeJS.ProcessEnv, readFile: ReadFile = readIfThere): Config {
  const { config, problems } = collect(env, readFile);
  if (problems.length > 0) throw invalidSettings(problems);
  // Each member was parsed by its own schema.
  return config as Config;
}

/**
 * Like `readConfig`, for a process that opens everything: also loads the packages of accounts and looks for the region of the
 * bucket. It creates nothing and makes no requests. Throws a single error that lists everything that is wrong.
 */
export async function checkConfig(env: NodeJS.ProcessEnv, readFile: ReadFile = readIfThere): Promise<Config> {
  const { config, problems } = await examineConfig(env, readFile);
  if (!config) throw invalidSettings(problems);
  return config;
}

/** Like `checkConfig`, but returns what is wrong, one sentence per problem. There is a config only if nothing is. */
export async function examineConfig(
  env: NodeJS.ProcessEnv,
  readFile: ReadFile = readIfThere,
): Promise<{ config: Config | undefined; problems: readonly string[] }> {
  const { config, problems } = collect(env, readFile);
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
function collect(env: NodeJS.ProcessEnv, readFile: ReadFile): { config: Known; problems: string[] } {
  const problems: string[] = [];
  // In compose files an empty variable usually means "not set".
  const path = env.ONETAKE_CONFIG || CONFIG_FILE;
  const file = readYaml(path, readFile, Boolean(env.ONETAKE_CONFIG), problems);
  if (!env.ONETAKE_CONFIG && isThere(OTHER_FILE, readFile)) {
    problems.push(`${OTHER_FILE}: is not read; rename it to ${CONFIG_FILE}, or name it with ONETAKE_CONFIG.`);
  }
  const { models: changes, accounts: fileAccounts, ...fileSettings } = file;
  const { accounts, problems: accountProblems } = readAccounts({
    file: fileAccounts,
    env,
    definitions: DEFINITIONS,
  });
  problems.push(...accountProblems, ...unknownNames(path, fileSettings, env));
  const mapping = z.record(z.string(), z.unknown()).safeParse(changes ?? {});
  if (!mapping.success) problems.push(`${path}: models must be a mapping from model ids to what changes.`);
  const { values, problems: valueProblems } = readValues(path, fileSettings, env);
  const config: Known = { ...values, models: mapping.data ?? {}, accounts };
  problems.push(...valueProblems, ...problemsTogether(config));
  return { config, problems };
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
      `${path}: there is no setting "${name}"; ${meant(name, [...fileNames, 'models', 'accounts'])}`,
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

function readYaml(
  path: string,
  readFile: ReadFile,
  required: boolean,
  problems: string[],
): Record<string, unknown> {
  let text: string | undefined;
  try {
    text = readFile(path);
  } catch (error) {
    problems.push(`${path}: cannot be read (${error instanceof Error ? error.message : String(error)}).`);
    return {};
  }
  if (text === undefined) {
    if (required) problems.push(`ONETAKE_CONFIG: the file ${path} does not exist.`);
    return {};
  }
  const lineCounter = new LineCounter();
  // A pretty error quotes the line, which may contain a secret.
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  for (const { message, pos } of document.errors) {
    problems.push(`${path}, line ${lineCounter.linePos(pos[0]).line}: ${message}.`);
  }
  if (document.errors.length > 0) return {};
  try {
    const mapping = z.record(z.string(), z.unknown()).safeParse(document.toJS() ?? {});
    if (mapping.success) return mapping.data;
    problems.push(`${path}: must be a mapping from names to values.`);
  } catch (error) {
    // `toJS` resolves aliases. It throws if one is undefined or if there are too many.
    problems.push(`${path}: ${error instanceof Error ? error.message : String(error)}.`);
  }
  return {};
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
