import { expect, test } from 'vitest';
import { findMissingDocuments } from '../check/mentions.ts';
import { isAllowed } from '../check/spdx.ts';
import { findTraces } from '../check/traces.ts';

const allowed = ['MIT', 'Apache-2.0', 'CC0-1.0', 'MPL-2.0 WITH Bison-exception-2.2'];

test.each([
  ['MIT', true],
  ['GPL-3.0-only', false],
  ['GPL-3.0-only OR MIT', true],
  ['(MIT OR CC0-1.0)', true],
  ['MIT AND GPL-3.0-only', false],
  ['GPL-2.0-only OR MIT AND Apache-2.0', true],
  ['MIT AND (GPL-2.0-only OR Apache-2.0)', true],
  ['(MIT OR Apache-2.0) AND GPL-2.0-only', false],
  ['Apache-2.0 WITH LLVM-exception', false],
  ['MPL-2.0 WITH Bison-exception-2.2', true],
  ['MIT OR Apache-2.0 WITH LLVM-exception', true],
  ['No-Such-Licence', false],
  ['SEE LICENSE IN LICENSE.md', false],
  ['MIT Apache-2.0', false],
  ['(MIT', false],
  ['', false],
])('the licence "%s" is allowed: %s', (expression, expected) => {
  expect(isAllowed(expression, allowed)).toBe(expected);
});

const home = ['', 'home', 'someone', 'onetake'].join('/');

test.each([
  ['a home folder', `cd ${home}`, "a machine's own path"],
  ['the folder of this checkout', 'see /srv/build-7/onetake/data', "a machine's own path"],
  ['the address in a lock file', '"resolved": "https' + '://example.com/a.tgz"', 'the address of a package'],
  ['a private key', ['-----BEGIN', 'PRIVATE KEY-----'].join(' '), 'a private key'],
  ['an API key', `key: sk-${'a1B2'.repeat(10)}`, 'an API key'],
])('%s in a tracked file is found', (_, line, what) => {
  expect(findTraces(`first\n${line}\n`, ['/srv/build-7'])).toEqual([`2: ${what}`]);
});

test.each([
  'GET /home/page',
  './root/x.ts',
  'https://example.com/Users/1',
  'sk-…',
  'sk-test-key',
  'ONETAKE_DATA_DIR=./data',
])('ordinary words are not reported: %s', (line) => {
  expect(findTraces(line)).toEqual([]);
});

// In two pieces, because the check reads this file as well.
const md = (name: string): string => `${name}.md`;
const documents = [md('README'), md('docs/settings'), md('docs/providers/ark')];

test.each([
  [`see ${md('DESIGN')}.`, md('DESIGN')],
  [`[the plan](docs/${md('plan')})`, `docs/${md('plan')}`],
  [`\`providers/${md('settings')}\``, `providers/${md('settings')}`],
  [`../${md('API')}, section 2`, `../${md('API')}`],
])('a mention of a document that does not exist is found: %s', (line, mention) => {
  expect(findMissingDocuments(`first\n${line}`, documents)).toEqual([`2: there is no ${mention}`]);
});

test.each([
  md('README'),
  `../${md('settings')}`,
  `(${md('../docs/providers/ark')}#errors)`,
  `docs/providers/<name>${md('')}`,
  `**/*${md('')}`,
  `https://example.com/a/${md('OTHER')}`,
  `.tmp/${md('report')}`,
])('a document that exists, a pattern and an address are not reported: %s', (line) => {
  expect(findMissingDocuments(line, documents)).toEqual([]);
});
