import { expect, it } from 'vitest';
import { CLIENT_VARIABLES, SETTINGS } from '../../src/config/settings.ts';
import { documentsIn, filesBelow, read, yaml } from './files.ts';

/** Not settings: the file with settings, and variables in client examples. */
const OTHERS = ['ONETAKE_CONFIG', ...Object.keys(CLIENT_VARIABLES)];

const PAGES = ['README.md', 'ARCHITECTURE.md', ...filesBelow('docs').filter((path) => path.endsWith('.md'))];

it.each([...filesBelow('deploy'), ...PAGES])('every setting that %s names exists', (path) => {
  const known = new Set<string>([...OTHERS, ...Object.values(SETTINGS).map(({ env }) => env)]);
  // `ONETAKE_S3_…` stands for all of them; names that begin with ONETAKE_TEST_ are for the tests.
  const named = [...read(path).matchAll(/\bONETAKE_(?!TEST_)[A-Z0-9_]*[A-Z0-9]\b(?!_)/g)].map(
    ([name]) => name,
  );
  const unknown = [...new Set(named)].filter((name) => !known.has(name));
  expect(
    unknown,
    `${path} names settings that packages/gateway/src/config/settings.ts does not have`,
  ).toEqual([]);
});

it.each(filesBelow('deploy').filter((path) => path.endsWith('.yaml')))(
  '%s is one valid YAML document',
  (path) => {
    expect(documentsIn(path)).toBe(1);
    expect(yaml(path)).toBeTypeOf('object');
  },
);
