import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { nearest } from '../catalogue/validate/nearest.ts';
import { type ConfiguredAccount, readAccounts } from '../providers/accounts.ts';
import { DEFINITIONS } from '../providers/definitions.ts';
import { invalidSettings } from '../tasks/errors.ts';
import { problemsTogether } from './crossField.ts';
import { CLIENT_VARIABLES, SETTINGS, type Setting, type SettingName, TOOL_VARIABLES } from './settings.ts';

type Defaults = { [K in SettingName as (typeof SETTINGS)[K] extends { default: string } ? K : never]: K };

/** Every setting, checked. Those without a default may be absent. */
export type Config = {
  readonly [K in keyof Defaults]: z.output<(typeof SETTINGS)[K]['schema']>;
} & {
  readonly [K in Exclude<SettingName, keyof Defaults>]?: z.output<(typeof SETTINGS)[K]['schema']>;
} & {
  /** `models` of onetake.yaml: changes to the catalogue, checked by it. */
  readonly models: Readonly<Record<string, unknown>>;
  /** `accounts` of onetake.yaml, and those that plain environment variables make. */
  readonly accounts: readonly ConfiguredAccount[];
};

/** Where settings are read from, beside the environment, unless `ONETAKE_CONFIG` names another file. */
const CONFIG_FILE = 'onetake.yaml';

/**
 * Reads every setting, from the environment first, then from `onetake.yaml`, then from a plain variable where it has one, then
 * its default. Throws one error that
 * lists everything wrong at once.
 */
export function readConfig(
  env: NodeJS.ProcessEnv,
  readFile: (path: string) => string | undefined = readIfThere,
): Config {
  const problems: string[] = [];
  // An empty variable is the usual way to say "not set" in compose files.
  const path = env.ONETAKE_CONFIG || CONFIG_FILE;
  const {
    models: changes,
    accounts: fileAccounts,
    ...fileSettings
  } = readYaml(path, readFile, Boolean(env.ONETAKE_CONFIG), problems);
  const models = changes ?? {};
  const { accounts, problems: accountProblems } = readAccounts({
    file: fileAccounts,
    env,
    definitions: DEFINITIONS,
  });
  problems.push(...accountProblems);

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

  const config: Record<string, unknown> = { models, accounts };
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
    const parsed = schema.safeParse(raw);
    if (parsed.success) config[name] = parsed.data;
    else
      problems.push(`${plain ?? variable}: ${parsed.error.issues.map((issue) => issue.message).join('; ')}.`);
  }
  const mapping = z.record(z.string(), z.unknown()).safeParse(models);
  if (!mapping.success) problems.push(`${path}: models must be a mapping from model ids to what changes.`);
  problems.push(...problemsTogether({ ...config, models: mapping.data ?? {}, accounts }));
  if (problems.length > 0) throw invalidSettings(problems);
  // Each member was parsed by its own schema above.
  return config as Config;
}

/** `ONETAKE_DATA_DIR` is `data_dir` in the file. */
const fileName = (variable: string): string => variable.slice('ONETAKE_'.length).toLowerCase();

/** What a wrong name may be for: those most like it, without the beginning that all of them share. */
function meant(name: string, candidates: readonly string[]): string {
  const tail = (full: string) => full.replace(/^ONETAKE_/, '');
  const [like] = nearest(tail(name), candidates.map(tail), 1);
  const known = like === undefined ? undefined : candidates.find((candidate) => tail(candidate) === like);
  return known === undefined ? 'see docs/settings.md.' : `did you mean ${known}? See docs/settings.md.`;
}

/** A value of the file the way it would be written in a variable: empty where there is none, undefined where it is no such value. */
function asText(value: unknown, { list }: Setting): string | undefined {
  if (value === undefined || value === null) return '';
  if (list && Array.isArray(value)) {
    return value.every((item) => typeof item !== 'object') ? value.join(',') : undefined;
  }
  return typeof value === 'object' ? undefined : String(value);
}

function readYaml(
  path: string,
  readFile: (path: string) => string | undefined,
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
  // A pretty error shows the line, and with it the secret that may be on it.
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
    // References are followed here: one that leads nowhere, or too many of them.
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
