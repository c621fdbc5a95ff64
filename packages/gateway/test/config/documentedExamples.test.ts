import { globSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { readConfig } from '../../src/config/config.ts';
import { tempFolder } from '../support/tempFolder.ts';

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));
const pageOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const blocksOf = (text: string): string[] =>
  [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, yaml = '']) => yaml);

/** One between marks is the file of a provider and has a test of its own; those of its page need it. */
const MARKED = /<!-- example -->([\s\S]*?)<!-- \/example -->/g;

/** Every example of an onetake.yaml. */
const EXAMPLES = globSync(['README.md', 'docs/**/*.md'], { cwd: ROOT }).flatMap((path) => {
  const text = pageOf(path);
  const [provider] = blocksOf([...text.matchAll(MARKED)].map(([, marked]) => marked).join(''));
  return blocksOf(text.replace(MARKED, '')).map((yaml, index) => ({
    name: `${path}, example ${index + 1}`,
    yaml,
    provider,
  }));
});

/** Pages show where models of one's own are named, and refer to the page that shows their entries. */
const OWN_MODELS = parse(blocksOf(pageOf('docs/models-of-your-own.md'))[0] ?? '').models;

it.each(EXAMPLES)('$name is accepted as it is', async ({ yaml, provider }) => {
  const folder = await tempFolder();
  if (provider !== undefined) {
    await mkdir(join(folder, 'providers'));
    await writeFile(join(folder, 'providers', 'own.yaml'), provider);
  }
  const { models, ...rest } = parse(yaml);
  const text = stringify({ ...rest, models: { ...OWN_MODELS, ...models } });
  const path = join(folder, 'onetake.yaml');
  // The secrets are the reader's.
  await writeFile(path, text.replaceAll(/api_key:\s+file: .*/g, 'api_key: { env: SECRET }'));
  const secrets = [...yaml.matchAll(/env: (\w+)/g)].map(([, name = '']) => name);
  const env = Object.fromEntries(['SECRET', ...secrets].map((name) => [name, 'whsec_c2VjcmV0']));
  readConfig({ ...env, ONETAKE_CONFIG: path });
});

it('there are examples', () => {
  expect(EXAMPLES.length).toBeGreaterThan(15);
});
