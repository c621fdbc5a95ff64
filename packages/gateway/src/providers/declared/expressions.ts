import jsonata from 'jsonata';
import type { RE2JS } from 're2js';
import { z } from 'zod';
import type { Json } from '../mapping/body.ts';
import { compileLiterals, engineOf, UnsupportedPattern } from './bounds/regularExpression.ts';
import { Turns } from './bounds/turns.ts';
import { InputFile } from './inputFile.ts';

/**
 * The guards of JSONata for one evaluation: nested calls, and items of a sequence. `Turns` bounds its time, and `engineOf`
 * that of its regular expressions. An expression has no way to read a file, to send a request, or to run JavaScript.
 */
const BOUNDS = { stack: 200, sequence: 100_000 };
/** The most turns of one evaluation: a quarter of a second of computing. The expressions of a sensible file take less than a millisecond. */
const MOST_TURNS = 50;
/** JSONata calls what has this name before each step, and waits for it. */
const BEFORE_STEP = Symbol.for('jsonata.__evaluate_entry');
/** The variable with the turns of an evaluation. No expression can write a name with a space. */
const TURNS = 'its turns';

/** A compiled JSONata expression, written as `=…` in a file. */
export class Expression {
  readonly text: string;
  /** Names of the scope that it reads. */
  readonly names: readonly string[];
  readonly #compiled: jsonata.Expression;

  /** Throws if the text is not JSONata, or has a regular expression that RE2 does not take. */
  constructor(text: string) {
    this.text = text;
    const literals = new Map<RegExp, RE2JS>();
    this.#compiled = jsonata(text, { ...BOUNDS, RegexEngine: engineOf(literals) });
    compileLiterals(this.#compiled.ast(), literals);
    // The type of `assign` knows names of variables alone.
    this.#compiled.assign(BEFORE_STEP as unknown as string, beforeStep);
    // `$$` is the whole scope, also deep inside an expression.
    const rooted = Array.from(text.matchAll(/\$\$\.(\w+)/g), ([, name = '']) => name);
    this.names = [...namesIn(this.#compiled.ast()), ...rooted];
  }

  /** The value in a scope, as JSON; undefined if there is none. `variables` are written with a dollar sign. Throws if it fails or takes too long. */
  async evaluate(scope: unknown, variables: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    try {
      // Without `$eval`, what is evaluated is what was checked.
      const bindings = { ...variables, eval: undefined, [TURNS]: new Turns(MOST_TURNS) };
      return plain(await this.#compiled.evaluate(scope, bindings));
    } catch (error) {
      const why = error instanceof Error || isThrown(error) ? error.message : String(error);
      throw new Error(`=${this.text}: ${why}`, { cause: error });
    }
  }
}

function beforeStep(_node: unknown, _input: unknown, frame: jsonata.Environment): Promise<void> | undefined {
  const turns: unknown = frame.lookup(TURNS);
  return turns instanceof Turns ? turns.next() : undefined;
}

/** JSON whose texts may be expressions. */
export type Template = Expression | string | number | boolean | null | readonly Template[] | TemplateMap;
export interface TemplateMap {
  readonly [name: string]: Template;
}

/** A path of a URL with expressions in braces. */
export interface PathTemplate {
  readonly parts: readonly (string | Expression)[];
}

type Variables = Parameters<Expression['evaluate']>[1];

/** Fills in the expressions. What has no value is left out, and so is a mapping of which nothing remains. */
export async function fill(
  template: Template,
  scope: unknown,
  variables?: Variables,
): Promise<Json | undefined> {
  // The result of `evaluate` is JSON, apart from an `InputFile`, which JSON writes as a data URL.
  if (template instanceof Expression) return (await template.evaluate(scope, variables)) as Json | undefined;
  if (typeof template !== 'object' || template === null) return template;
  if (Array.isArray(template)) {
    const items = await Promise.all(template.map((item) => fill(item, scope, variables)));
    return items.filter((item) => item !== undefined);
  }
  const members = Object.entries(template);
  const filled: [string, Json][] = [];
  for (const [name, member] of members) {
    const value = await fill(member, scope, variables);
    if (value !== undefined) filled.push([name, value]);
  }
  return filled.length === 0 && members.length > 0 ? undefined : Object.fromEntries(filled);
}

/** Fills in a path. Each value becomes a part of one segment, whatever characters it has. */
export async function fillPath({ parts }: PathTemplate, scope: unknown): Promise<string> {
  let path = '';
  for (const part of parts) {
    if (typeof part === 'string') path += part;
    else {
      const value = await part.evaluate(scope);
      if (typeof value !== 'string' && typeof value !== 'number')
        throw new Error(`{${part.text}} in a path has no value`);
      path += encodeURIComponent(value);
    }
  }
  // `new URL` would remove these segments, also in their encoded form.
  if (/\/(?:\.|%2e){1,2}(?=\/|$)/i.test(path)) throw new Error('a path with a segment of dots');
  return path;
}

/** An expression: `=data.id`. */
export const expression = z.string().transform((text, context) => {
  if (text.startsWith('=')) return compile(text.slice(1), context);
  context.addIssue('must be an expression, which begins with =');
  return z.NEVER;
});

/** JSON with expressions. A text that begins with `==` is the text after the first `=`. */
export const template: z.ZodType<Template> = z
  .json()
  .transform((tree, context) => compiled(tree, [], context));

/** Compiles the expressions of a tree, and reports those that cannot be, each at its place. */
function compiled(
  tree: z.core.util.JSONType,
  at: readonly PropertyKey[],
  context: z.RefinementCtx,
): Template {
  if (typeof tree === 'string') {
    if (!tree.startsWith('=') || tree.startsWith('==')) return tree.replace(/^==/, '=');
    return compile(tree.slice(1), context, at);
  }
  if (typeof tree !== 'object' || tree === null) return tree;
  if (Array.isArray(tree)) return tree.map((item, index) => compiled(item, [...at, index], context));
  return Object.fromEntries(
    Object.entries(tree).map(([name, member]) => [name, compiled(member, [...at, name], context)]),
  );
}

/** `/tasks/{id}`: a path whose braces hold expressions. An expression in it has no braces of its own. */
export const path = z.string().transform((text, context): PathTemplate => {
  if (!text.startsWith('/') || /[?#\s]/.test(text.replace(/\{[^{}]*\}/g, ''))) {
    context.addIssue('must be a path that begins with /, without a query, which has its own member');
    return z.NEVER;
  }
  const parts = text.split(/(\{[^{}]*\})/).filter(Boolean);
  return { parts: parts.map((part) => (part.startsWith('{') ? compile(part.slice(1, -1), context) : part)) };
});

function compile(text: string, context: z.RefinementCtx, at: readonly PropertyKey[] = []): Expression {
  try {
    return new Expression(text);
  } catch (error) {
    const why = isThrown(error) ? error.message : String(error);
    const message =
      error instanceof UnsupportedPattern ? `has what ${why}` : `is not a JSONata expression: ${why}`;
    context.addIssue({ code: 'custom', path: [...at], message });
    return z.NEVER;
  }
}

/** JSONata throws plain objects. */
const isThrown = (error: unknown): error is { message: string } =>
  typeof error === 'object' && error !== null && typeof Reflect.get(error, 'message') === 'string';

/** A copy without what JSONata attaches to its results. Functions become undefined. */
function plain(value: unknown): unknown {
  if (typeof value === 'function') return undefined;
  if (typeof value !== 'object' || value === null || value instanceof InputFile) return value;
  if (Array.isArray(value)) return Array.from(value, plain);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]));
}

/** The names that an expression reads from its scope itself, and not from a part of it. */
function namesIn(node: Node): string[] {
  return node.type === 'name' ? [String(node.value)] : childrenOf(node).filter(isNode).flatMap(namesIn);
}

/** The parts of an expression that have the same scope as the whole. */
function childrenOf(node: Node): readonly unknown[] {
  switch (node.type) {
    case 'path':
      // Each later step reads from what the one before it gives, and `$` gives the scope itself.
      return node.steps?.slice(0, isScope(node.steps[0]) ? 2 : 1) ?? [];
    case 'function':
      return node.arguments ?? [];
    case 'binary':
      return [node.lhs, node.rhs];
    case 'unary':
      return [node.expression, ...(node.expressions ?? []), ...[node.lhs].flat(2)];
    case 'condition':
      return [node.condition, node.then, node.else];
    case 'block':
      return node.expressions ?? [];
    case 'bind':
      return [node.rhs];
    case 'apply':
      return [node.lhs];
    case 'lambda':
      return [node.body];
    default:
      return [];
  }
}

/** A node of JSONata's syntax tree, with what its type leaves out. */
interface Node extends Omit<jsonata.ExprNode, 'type'> {
  readonly type: string;
  readonly expression?: unknown;
  readonly condition?: unknown;
  readonly then?: unknown;
  readonly else?: unknown;
  readonly body?: unknown;
}

const isScope = (step: unknown): boolean => isNode(step) && step.type === 'variable' && step.value === '';

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null;
