import { expect, test } from 'vitest';
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
