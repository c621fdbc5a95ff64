import { readFile } from 'node:fs/promises';
import { createCatalogue, SHIPPED_MODELS } from '@onetake/gateway';
import { expect, it } from 'vitest';
import { SOAKED } from '../../chaos/shared/families.ts';
import { entryOf, FAMILIES } from '../families.ts';

const CATALOGUE = createCatalogue({ servers: [], declared: SHIPPED_MODELS });
const namesIn = (entries: readonly { readonly provider: string; readonly family: string }[]) => ({
  providers: [...new Set(entries.map(({ provider }) => provider))].sort(),
  families: [...new Set(entries.map(({ family }) => family))].sort(),
});

it('the demo shows every provider and every family of the catalogue, each with one model', () => {
  expect(namesIn(FAMILIES.map(entryOf))).toEqual(namesIn(CATALOGUE.list()));
  expect(new Set(FAMILIES.map(({ model }) => model)).size).toBe(FAMILIES.length);
});

it('the soak has all of them but the renderer in the gateway, which no upstream bills', () => {
  const others = CATALOGUE.list().filter(({ provider }) => provider !== 'preview');
  const soaked = SOAKED.map(({ model }) => entryOf({ title: '', model }));
  expect(namesIn(soaked)).toEqual(namesIn(others));
});

it('the README shows them as the demo prints them', async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const [, printed = ''] = /^\$ npm run demo -- --all\n([\s\S]*?)^```$/m.exec(readme) ?? [];
  const rows = [...printed.matchAll(/^✓ {2}(.+?) {2,}(\S+)/gm)].map(([, title, model]) => ({ title, model }));
  expect(rows).toEqual(FAMILIES);
  expect(printed).toContain(`${FAMILIES.length} of ${FAMILIES.length} families delivered`);
});
