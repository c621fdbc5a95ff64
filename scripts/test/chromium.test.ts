import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findChromium } from '../chromium.ts';

let folder: string;
let program: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'onetake-'));
  program = path.join(folder, 'google-chrome');
  await writeFile(program, '');
  await chmod(program, 0o755);
});

afterAll(() => rm(folder, { recursive: true }));

test('the setting chooses the browser', () => {
  expect(findChromium({ ONETAKE_CHROMIUM: program })).toBe(program);
});

test('a setting that names no program is refused', () => {
  expect(() => findChromium({ ONETAKE_CHROMIUM: path.join(folder, 'none') })).toThrow('ONETAKE_CHROMIUM');
});

test('a browser in PATH is found', () => {
  expect(findChromium({ PATH: folder })).toBe(program);
});
