import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { meetsAim, report, shortOf, spreadOf, tableOf } from '../shared/figures.ts';

const figure = { name: 'a query', unit: 'µs', rounds: [30, 10, 20] };

test('the median of an even number of rounds lies between the two in the middle', () => {
  expect(spreadOf(figure)).toEqual({ low: 10, median: 20, high: 30 });
  expect(spreadOf({ ...figure, rounds: [1, 2, 4, 100] }).median).toBe(3);
});

test('an aim is met by the median, whatever single rounds say', () => {
  expect(meetsAim({ ...figure, aim: { atMost: 20 } })).toBe('yes');
  expect(meetsAim({ ...figure, aim: { atMost: 19 } })).toBe('no');
  expect(meetsAim({ ...figure, aim: { atLeast: 21 } })).toBe('no');
  expect(meetsAim({ ...figure, rounds: [], aim: { atMost: 1 } })).toBe('no');
  expect(meetsAim(figure)).toBe('');
});

test('the table says what was found, how far it spread and what was asked', () => {
  expect(tableOf([{ ...figure, aim: { atMost: 15 } }])).toBe(
    [
      '| what    | median |   spread | rounds |     aim | met |',
      '| ------- | -----: | -------: | -----: | ------: | --: |',
      '| a query |  20 µs | 10 to 30 |      3 | ≤ 15 µs |  no |',
    ].join('\n'),
  );
  expect([0.012345, 2.34567, 99.96, 1234.5].map(shortOf)).toEqual(['0.0123', '2.35', '100', '1,235']);
});

test('figures are handed over as a line of JSON each', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'onetake-figures-')), 'figures');
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  report([figure], file);
  report([{ ...figure, name: 'another' }], file);
  log.mockRestore();
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  expect(lines.map((line) => JSON.parse(line).name)).toEqual(['a query', 'another']);
});
