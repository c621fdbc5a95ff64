import { expect, it } from 'vitest';
import { SubmitBody } from '../../src/api/schemas.ts';
import { SPELLINGS } from '../../src/catalogue/fields.ts';

const DOCUMENTED = new Map(Object.entries(SubmitBody.shape));

it('the reference has the fields that a submit accepts', () => {
  const accepted = Object.values(SPELLINGS).map(([name]) => name);
  expect([...DOCUMENTED.keys()].sort()).toEqual(accepted.sort());
});

it.each(Object.values(SPELLINGS))('the reference of %s names every alias', (name, ...aliases) => {
  const description = DOCUMENTED.get(name)?.description ?? '';
  expect([...description.matchAll(/(?:Alias: |Aliases: |, )`(\w+)`/g)].map(([, alias]) => alias)).toEqual(
    aliases,
  );
});
