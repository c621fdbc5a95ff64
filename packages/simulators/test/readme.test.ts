import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { FAULTS, MARKERS } from '../src/index.ts';

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');

describe('the README', () => {
  it('lists every marker and every fault', () => {
    const missing = [
      ...Object.keys(MARKERS).map((marker) => `\`[${marker}]\``),
      ...Object.keys(FAULTS).map((kind) => `\`${kind}\``),
    ].filter((name) => !readme.includes(name));
    expect(missing).toEqual([]);
  });
});
