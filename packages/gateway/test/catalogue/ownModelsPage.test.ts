import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createCatalogue } from '../../src/catalogue/catalogue.ts';
import { ModelSchema } from '../../src/catalogue/model.ts';
import { checkRequest } from '../../src/catalogue/validate/request.ts';
import { readConfig } from '../../src/config/config.ts';

const PAGE = readFileSync(new URL('../../../../docs/models-of-your-own.md', import.meta.url), 'utf8');

/** Members by the name of what they belong to: a member of an entry, or the kind of a parameter. */
type Members = Record<string, Record<string, { readonly required: boolean }>>;

/** The name of the entry itself. */
const ENTRY = 'entry';

/** An operator writes an entry below its id. */
const SCHEMA = z.toJSONSchema(ModelSchema.omit({ id: true }), { io: 'input', unrepresentable: 'any' });

type Node = z.core.JSONSchema.BaseSchema;

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null;
const parts = (node: Node): Node[] =>
  [...(node.anyOf ?? []), ...(node.oneOf ?? []), node.items, node.additionalProperties].flat().filter(isNode);

/** Several objects may have one name: variants of a kind, limits of images and of references. A member is required if each of them requires it. */
function collect(node: Node, name: string, found: Members = {}): Members {
  for (const part of parts(node)) collect(part, name, found);
  if (!node.properties) return found;
  const { kind, ...members } = node.properties;
  const group = isNode(kind) ? String(kind.const) : name;
  const before = found[group];
  const now = Object.keys(members).map((member) => {
    const required = node.required?.includes(member) === true && before?.[member]?.required !== false;
    return [member, { required: required && (!before || member in before) }];
  });
  const gone = Object.keys(before ?? {}).filter((member) => !(member in members));
  found[group] = Object.fromEntries([...now, ...gone.map((member) => [member, { required: false }])]);
  for (const [member, below] of Object.entries(members)) if (isNode(below)) collect(below, member, found);
  return found;
}

/** The words that members have for values. */
const wordsOf = (node: Node): string[] => [
  ...[...(node.enum ?? []), node.const].filter((word) => typeof word === 'string'),
  ...[...parts(node), ...Object.values(node.properties ?? {})].filter(isNode).flatMap(wordsOf),
];

const namesIn = (cell: string): string[] => [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name);

/** The members in the tables of the page. */
function documented(): Members {
  const found: Members = {};
  for (const [, title = '', second = '', rows = ''] of PAGE.matchAll(
    /^\| members? of (.+?) \| (.+?) \|.*\n\| ---.*\n((?:\|.*\n)+)/gm,
  )) {
    const names = namesIn(title);
    for (const group of names.length === 0 ? [ENTRY] : names) {
      found[group] = Object.fromEntries(
        rows
          .trim()
          .split('\n')
          .map((row) => row.split(' | '))
          .flatMap(([members = '', fallback]) =>
            namesIn(members).map((member) => [
              member,
              // Of the parameters, the second column is their kind.
              { required: second === 'default' ? fallback === 'required' : isAlwaysThere(member) },
            ]),
          ),
      );
    }
  }
  return found;
}

const isAlwaysThere = (parameter: string): boolean =>
  ['duration', 'resolution', 'aspectRatio'].includes(parameter);

/** Everything under `models` in the examples. */
const examples = [...PAGE.matchAll(/```yaml\n([\s\S]*?)```/g)].map(
  ([, yaml = '']) => readConfig({}, (path) => (path === 'onetake.yaml' ? yaml : undefined)).models,
);

describe('the page about models of your own', () => {
  it('has every member of an entry, no others, and says which are required', () => {
    expect(documented()).toEqual(collect(SCHEMA, ENTRY));
  });

  it('has every word that a member may be', () => {
    const missing = new Set(wordsOf(SCHEMA).filter((word) => !PAGE.includes(`\`${word}\``)));
    expect([...missing]).toEqual([]);
  });

  it('has examples that do what the page says', () => {
    const catalogue = createCatalogue({ overrides: Object.assign({}, ...examples), servers: [] });
    const asked = (body: object) =>
      checkRequest({ prompt: 'a boat', model: 'dreamer-2', ...body }, catalogue);
    const link = 'https://example.com/file';
    expect(asked({ resolution: '1080p' }).price).toMatchObject({ holdMicros: 5 * 160_000 });
    expect(asked({ generate_audio: false }).price).toMatchObject({ holdMicros: 5 * 50_000 });
    expect(asked({}).price).toMatchObject({ holdMicros: 5 * 120_000 + 10_000 });
    const video = { references: [{ type: 'video', url: link }] };
    expect(asked({ ...video, duration: 8 }).price).toMatchObject({ holdMicros: (8 + 10) * 40_000 });
    expect(asked({ image: link }).notes).toContain('The video has the shape of the image.');
    expect(() => asked({ ...video, resolution: '1080p' })).toThrow(
      'resolution must be 720p when references of type video are given',
    );
    expect(() => asked({ ...video, image: link })).toThrow('image must be left out');
    const preview = catalogue.get('onetake-preview');
    expect(preview).toMatchObject({ typical: { medianSeconds: 1 } });
    expect(preview?.parameters).not.toHaveProperty('lastFrame');
  });
});
