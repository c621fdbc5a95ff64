import { describe, expect, it } from 'vitest';
import { Expression, fill, fillPath, path, template } from '../../../src/providers/declared/expressions.ts';
import { InputFile } from '../../../src/providers/declared/inputFile.ts';

const filled = (tree: unknown, scope: unknown) => fill(template.parse(tree), scope);

describe('a template', () => {
  it('fills in expressions, keeps everything else, and leaves out what has no value', async () => {
    const tree = {
      a: '=x',
      b: '=none',
      c: ['=none', 1, '=x & "!"'],
      d: { e: '=none' },
      f: {},
      g: '==x',
      h: null,
      i: true,
      j: '= $uppercase(x)',
    };
    expect(await filled(tree, { x: 'y' })).toEqual({
      a: 'y',
      c: [1, 'y!'],
      f: {},
      g: '=x',
      h: null,
      i: true,
      j: 'Y',
    });
  });

  it('has no value for a condition without an alternative that is not met', async () => {
    expect(await filled({ sound: '=wanted ? "on"' }, { wanted: false })).toBeUndefined();
  });

  it('writes an image as base64, as a data URL, or as its type', async () => {
    const image = new InputFile(Buffer.from('pixels'), { contentType: 'image/png' });
    const tree = { a: '=image.base64', b: '=image', c: '=image.content_type', d: '=images.data_url' };
    expect(JSON.parse(JSON.stringify(await filled(tree, { image, images: [image] })))).toEqual({
      a: 'cGl4ZWxz',
      b: 'data:image/png;base64,cGl4ZWxz',
      c: 'image/png',
      d: 'data:image/png;base64,cGl4ZWxz',
    });
  });

  it('is checked when it is read', () => {
    expect(template.safeParse({ a: ['=$$('] }).error?.message).toMatch(/not a JSONata expression/);
  });
});

describe('a path', () => {
  it.each([
    ['a/b?c#d', '/jobs/a%2Fb%3Fc%23d/x'],
    ['ü %', '/jobs/%C3%BC%20%25/x'],
    [12, '/jobs/12/x'],
  ])('keeps %j in one segment', async (id, expected) => {
    expect(await fillPath(path.parse('/jobs/{id}/x'), { id })).toBe(expected);
  });

  it.each(['..', '.', '%2e%2e', undefined, ['a'], { a: 1 }])(
    'is not made with %j, which would lead elsewhere',
    async (id) => {
      const made = fillPath(path.parse('/jobs/{id}'), { id });
      // An encoded percent sign is a name like any other.
      if (id === '%2e%2e') await expect(made).resolves.toBe('/jobs/%252e%252e');
      else await expect(made).rejects.toThrow();
    },
  );

  it.each(['jobs', '/jobs?id={id}', '/jo bs'])('is not %j', (text) => {
    expect(path.safeParse(text).success).toBe(false);
  });
});

describe('an expression', () => {
  it.each([
    ['an endless loop', '($f := function($x) { $f($x + 1) }; $f(1))'],
    ['a deep recursion', '($f := function($x) { 1 + $f($x + 1) }; $f(1))'],
    ['a huge list', '[1..9999999]'],
    ['text that is evaluated', '$eval("1")'],
  ])('fails with %s', async (_what, text) => {
    await expect(new Expression(text).evaluate({ x: {} })).rejects.toThrow(`=${text}`);
  });

  it('that computes for long lets other work go on meanwhile', async () => {
    let turns = 0;
    let isOver = false;
    const turn = () => {
      turns += 1;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    const long = new Expression('($f := function($x) { $f($x + 1) }; $f(1))').evaluate({});
    await expect(long).rejects.toThrow('computes for too long');
    isOver = true;
    // A fifth of the time at most passes without a turn of the others, however slow the machine is.
    expect(turns).toBeGreaterThanOrEqual(5);
  });

  it('has no access to what JavaScript objects inherit', async () => {
    expect(
      await new Expression(
        '[constructor, __proto__, x.toString, x.constructor.constructor("return 1")()]',
      ).evaluate({ x: {} }),
    ).toEqual([]);
  });

  it.each([
    ['a ? b.c : $string(d)', ['a', 'b', 'd']],
    ['list[size > 1].name', ['list']],
    ['{"k": x, "l": [y]}', ['x', 'y']],
    ['($v := mode; $v & -n)', ['mode', 'n']],
    ['a ~> $uppercase()', ['a']],
    ['$map(items, function($i) { $i.name })', ['items']],
  ])('%s reads these names of its scope', (text, names) => {
    expect(new Expression(text).names).toEqual(names);
  });

  it('may be evaluated many times at once', async () => {
    const twice = new Expression('$sum([1..n]) & $v');
    const values = await Promise.all([1, 2, 3].map((n) => twice.evaluate({ n }, { v: n })));
    expect(values).toEqual(['11', '32', '63']);
  });
});

describe('a regular expression in an expression', () => {
  const evaluated = (text: string, scope: unknown) => new Expression(text).evaluate(scope);

  it.each([
    ['$match(x, /(a)(b)?/).groups', 'ab a', ['a', 'b', 'a', undefined]],
    ['$match(x, /^a/m).index', 'a\na', [0, 2]],
    ['$match(x, /^a/).index', 'aa', 0],
    ['$replace(x, /(\\w+) (\\w+)/, "$2 $1")', 'one two', 'two one'],
    ['$split(x, /[,;]\\s*/)', 'a, b;c', ['a', 'b', 'c']],
    ['$contains(x, /BOAT/i)', 'a paper boat', true],
    ['$match(x, /\\/é\\u00fc(.)!/).groups', '😀/éü😀!', ['😀']],
    ['$map(["1", "a"], function($v) { $contains($v, /\\d/) })', '', [true, false]],
  ])('%s of %j is %j, as with those of JavaScript', async (text, x, expected) => {
    expect(await evaluated(text, { x })).toEqual(expected);
  });

  it.each(['/^(a+)+$/', '/^(a|a)*$/', '/(a*)*b/'])('%s takes linear time', async (pattern) => {
    // With backtracking it would take longer than the universe exists.
    const x = `${'a'.repeat(100_000)}!`;
    expect(await evaluated(`$contains(x, ${pattern})`, { x })).toBe(false);
  });

  it('that takes quadratic time for all its matches fails', async () => {
    // Each match is looked for up to the end of the text.
    const matches = evaluated('$count($match(x, /a[^y]*y|a/))', { x: 'ab'.repeat(100_000) });
    await expect(matches).rejects.toThrow('computes for too long');
  });

  it('fails with a text that is too long', async () => {
    const found = evaluated('$contains(x, /b/)', { x: 'a'.repeat(300_000) });
    await expect(found).rejects.toThrow('takes texts of at most 262144 characters');
  });

  it.each(['(a)\\1', 'a(?=b)', '(?<!a)b'])('is refused when it is read if it is /%s/', (pattern) => {
    const { error } = template.safeParse({ a: [`=$map(list, function($v) { $v ~> /${pattern}/ })`] });
    expect(error?.issues).toEqual([
      expect.objectContaining({ path: ['a', 0], message: expect.stringContaining('no backreferences') }),
    ]);
  });
});
