/** A parameter, as `GET /v1/models` describes it. */
interface Parameter {
  readonly type: string;
  readonly allowed?: readonly (string | number | boolean)[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly auto?: -1;
  readonly takes?: readonly { readonly type: string }[];
}

export interface CatalogueModel {
  readonly id: string;
  readonly parameters: Readonly<Record<string, Parameter>>;
}

const HEAD = `// Made from the catalogue by \`npm run client\`.
import type { Schemas } from './schema.ts';

type Reference = NonNullable<Schemas['SubmitBody']['references']>[number];
type References<Type> = readonly (Reference & { readonly type: Type })[];

/** The values that each model of the catalogue takes, as it comes with the gateway. */
export interface ModelParameters {
`;

/** What every model takes. */
const EVERYWHERE = ['model', 'prompt'];

const TYPES: Readonly<Record<string, string>> = {
  string: 'string',
  integer: 'number',
  boolean: 'boolean',
  image: 'string',
  images: 'readonly string[]',
  url: 'string',
};

/** The text of `models.ts` of the client. */
export function modelTypes(models: readonly CatalogueModel[]): string {
  const members = models.map(({ id, parameters }) => {
    const own = Object.entries(parameters).filter(([name]) => !EVERYWHERE.includes(name));
    const lines = own.map(([name, one]) => `${rangeOf(one)}    readonly ${name}: ${typeOf(one)};`);
    return [`  readonly '${id}': {`, ...lines, '  };'].join('\n');
  });
  return `${HEAD}${members.join('\n')}\n}\n`;
}

function typeOf({ type, allowed, auto, takes = [] }: Parameter): string {
  if (type === 'references') return `References<${union(takes.map((kind) => kind.type))}>`;
  if (allowed) return union(auto === undefined ? allowed : [auto, ...allowed]);
  const known = TYPES[type];
  if (known === undefined) throw new Error(`The client does not know the type ${type} of a parameter.`);
  return known;
}

function rangeOf({ minimum, maximum, auto }: Parameter): string {
  if (minimum === undefined || maximum === undefined) return '';
  return `    /** ${minimum} to ${maximum}${auto === undefined ? '' : `, or ${auto}: the model decides`} */\n`;
}

const union = (values: readonly unknown[]): string =>
  [...new Set(values)].map((value) => (typeof value === 'string' ? `'${value}'` : String(value))).join(' | ');
