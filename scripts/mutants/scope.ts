import type { babel } from '@stryker-mutator/instrumenter';

/** The folders whose tests are measured: those that decide about money, tasks and media. A missing folder is skipped. */
export const FOLDERS = [
  'tasks',
  'engine',
  'limits',
  'cluster',
  'store',
  'media',
  'providers/http',
  'providers/mapping',
  'providers/rates',
  'providers/search',
].map((folder) => `packages/gateway/src/${folder}`);

/** The project of vitest.config.ts whose tests judge mutants. The tests that kill processes or drive a browser take minutes each. */
export const PROJECT = 'unit';
export const TESTS = 'packages/gateway/test/';

type NodePath = babel.NodePath;

const LOG_METHODS = new Set(['trace', 'debug', 'info', 'warn', 'error', 'fatal']);
/** Beginnings of SQL statements and their parts, and characters that no sentence has. */
const SQL =
  /^\s*(?:select|insert|update|delete|with|from|where|and|or|set|values|create|alter|drop|pragma|begin|commit|rollback|lock|listen|notify|order|returning|references|on|primary|join|left|union|for|limit)\b|[=<>*]|\$\d|::/i;
/** Names of variables and properties that hold a sentence for people. */
const PROSE_NAMES = /^(?:message|detail|hint|advice|description)$/i;

/**
 * What no test should have to notice. Everything else counts, also strings that are codes, names, SQL or headers. `// Stryker disable
 * next-line <mutator>: <reason>` in the code excludes one line; `survivors.ts` lists what cannot be noticed.
 */
export function whyIgnored(path: NodePath): string | undefined {
  // Whether something is logged counts (the missing call is a mutant of its own); the text may change any day.
  if (isLogCall(path)) return 'the words of a log line';
  // The code of an error is its contract; its message, here or in a table, is not.
  if (isSentence(path, 2) || (isSentence(path, 1) && isToldToPeople(path))) return 'a sentence for people';
  // `30 * 60_000` is a written decision. A test could only repeat it.
  if (isArithmeticOfLiterals(path.node)) return 'arithmetic of literals';
  return undefined;
}

function isLogCall(path: NodePath): boolean {
  if (!path.isCallExpression()) return false;
  const { callee } = path.node;
  if (callee.type !== 'MemberExpression' && callee.type !== 'OptionalMemberExpression') return false;
  const { object, property } = callee;
  const owner = object.type === 'MemberExpression' ? object.property : object;
  return (
    property.type === 'Identifier' &&
    LOG_METHODS.has(property.name) &&
    owner.type === 'Identifier' &&
    /^log(?:ger)?$/.test(owner.name)
  );
}

/** Whether a text has this many spaces, and is no SQL. */
function isSentence(path: NodePath, spaces: number): boolean {
  const text = path.isStringLiteral()
    ? path.node.value
    : path.isTemplateLiteral()
      ? path.node.quasis.map(({ value }) => value.raw).join('x')
      : '';
  return text.split(' ').length > spaces && !SQL.test(text);
}

function isToldToPeople(path: NodePath): boolean {
  return (
    path.findParent(
      (parent) =>
        parent.isThrowStatement() ||
        (parent.isNewExpression() &&
          parent.node.callee.type === 'Identifier' &&
          /Error$|Unavailable$/.test(parent.node.callee.name)) ||
        (parent.isVariableDeclarator() && named(parent.node.id)) ||
        (parent.isObjectProperty() && named(parent.node.key)),
    ) !== null
  );
}

function named(node: { readonly type: string; readonly name?: unknown }): boolean {
  return node.type === 'Identifier' && PROSE_NAMES.test(String(node.name));
}

function isArithmeticOfLiterals(node: NodePath['node']): boolean {
  if (node.type !== 'BinaryExpression' || !/^(?:[-+/%]|\*\*?)$/.test(node.operator)) return false;
  return [node.left, node.right].every(
    (side) => side.type === 'NumericLiteral' || (side.type !== 'PrivateName' && isArithmeticOfLiterals(side)),
  );
}
