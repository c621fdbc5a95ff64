import { expect, test } from 'vitest';
import { mergeInto, pageOf, plotOf } from '../shared/page.ts';

const measured = {
  options: ['--rows', '10'],
  figures: [
    { name: 'a <list>', unit: 'ms', rounds: [2], aim: { atMost: 1 } },
    { name: 'rate', unit: '/s', rounds: [20], aim: { atLeast: 10 } },
    { name: 'without an aim', unit: 'ms', rounds: [1] },
  ],
  machine: '2 × CPU',
  date: '2026-11-30',
  commit: 'abc1234',
};

test('a measurement replaces the one of the same bench on the page, and no other', () => {
  const page =
    'A\n<!-- figures: lists -->\nold\n<!-- end -->\nB\n<!-- figures: other -->\nkept\n<!-- end -->\n';
  const once = pageOf(page, mergeInto({}, 'lists', measured));
  expect(once).toContain('`npm run bench:lists -- --rows 10`, 2026-11-30, commit abc1234, 2 × CPU:');
  expect(once).toContain('| a <list>');
  expect(once).not.toContain('old');
  expect(once).toContain('<!-- figures: other -->\nkept\n<!-- end -->');
  expect(pageOf(once, { lists: measured })).toBe(once);
});

test('a plot puts what misses its aim right of the aim, and leaves out what has none', () => {
  const plot = plotOf('lists', measured.figures) ?? '';
  const [missed = 0, met = 0] = [...plot.matchAll(/circle cx="([\d.]+)"/g)].map(([, x]) => Number(x));
  const aim = Number(/text x="([\d.]+)"[^>]*>aim</.exec(plot)?.[1]);
  expect(missed).toBeGreaterThan(aim);
  expect(met).toBeLessThan(aim);
  expect(plot).toContain('a &lt;list&gt;');
  expect(plot).not.toContain('without an aim');
  expect(plotOf('lists', [{ name: 'without an aim', unit: 'ms', rounds: [1] }])).toBeUndefined();
});
