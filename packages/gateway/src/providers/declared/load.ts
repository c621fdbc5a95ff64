import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DeclaredEntry, entryProblems } from '../../catalogue/catalogue.ts';
import { plainWords } from '../../catalogue/validate/plainWords.ts';
import { readYaml, type YamlFile } from '../../yamlFile.ts';
import type { CommonAccount, ProviderDefinition } from '../definition.ts';
import { contradictions } from './contradictions.ts';
import { declaredDefinition } from './definition.ts';
import { ProviderFile } from './schema.ts';

/** Providers that files declare, and everything that is wrong with the files. */
export interface DeclaredProviders {
  readonly files: readonly ProviderFile[];
  readonly problems: readonly string[];
}

/** The files that come with the gateway. In a package they are JSON, which a start reads in a hundredth of the time. */
const SHIPPED_FOLDER = fileURLToPath(new URL('./files/', import.meta.url));

function readShipped(): readonly ProviderFile[] {
  const read = readdirSync(SHIPPED_FOLDER)
    .sort()
    .map((name) => {
      const text = readFileSync(join(SHIPPED_FOLDER, name), 'utf8');
      return name.endsWith('.json') ? packedProvider(text) : readProvider(name, text);
    });
  const problems = read.flatMap((one) => one.problems);
  if (problems.length > 0)
    throw new Error(`files of providers that come with the gateway are not valid:\n${problems.join('\n')}`);
  return read.flatMap((one) => one.files);
}

/** What a package has of a file that comes with the gateway. */
export function providerJson(name: string, text: string): string {
  const { file, problems } = readYaml(name, text);
  if (!file) throw new Error(problems.join('\n'));
  return JSON.stringify(file.value);
}

/** It was checked when the code that packed it was loaded. Each is read once, which takes less time than compiling its schema. */
const packedProvider = (json: string): DeclaredProviders => ({
  files: [ProviderFile.parse(JSON.parse(json), { jitless: true })],
  problems: [],
});

/** Reads a file that declares one provider. */
export function readProvider(name: string, text: string): DeclaredProviders {
  const { file, problems } = readYaml(name, text);
  return file ? parseProvider(file, [], file.value) : { files: [], problems };
}

/** Reads a declaration inside a file, at this path. */
export function parseProvider(yaml: YamlFile, at: readonly PropertyKey[], value: unknown): DeclaredProviders {
  const parsed = ProviderFile.safeParse(value, { error: plainWords });
  const told = (path: readonly PropertyKey[], message: string) => {
    const key = [...at, ...path].map(String).join('.');
    return `${yaml.placeOf([...at, ...path])}: ${key === '' ? '' : `${key}: `}${message}`;
  };
  const issues = parsed.success ? contradictions(parsed.data) : parsed.error.issues;
  if (!parsed.success || issues.length > 0)
    return { files: [], problems: issues.map(({ path, message }) => told(path, message)) };
  const file = parsed.data;
  const wrong = Object.entries(file.models).map(([id, entry]) => ({
    id,
    problems: entryProblems({ ...entry, id, provider: file.provider }),
  }));
  // The others are there, so that what names them is not wrong, too.
  const valid = wrong
    .filter(({ problems }) => problems.length === 0)
    .map(({ id }) => [id, file.models[id] ?? {}]);
  return {
    files: [{ ...file, models: Object.fromEntries(valid) }],
    problems: wrong.flatMap(({ id, problems }) =>
      problems.map(({ path, message }) => told(['models', id, ...path], message)),
    ),
  };
}

/** The entries of the catalogue that a file has. */
export const modelsOf = ({ provider, title, models }: ProviderFile): readonly DeclaredEntry[] =>
  Object.entries(models).map(([id, entry]) => ({ ...entry, id, provider, providerTitle: title }));

/** The definitions of files, later ones in place of earlier ones of the same provider. */
export const definitionsOf = (files: readonly ProviderFile[]): readonly ProviderDefinition<CommonAccount>[] =>
  [...new Map(files.map((file) => [file.provider, file])).values()].map(declaredDefinition);

/** The providers that come with the gateway. */
export const SHIPPED: readonly ProviderFile[] = readShipped();

/** The models of those providers. */
export const SHIPPED_MODELS = SHIPPED.flatMap(modelsOf);
