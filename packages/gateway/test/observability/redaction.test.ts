import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLog, type GatewayLog } from '../../src/observability/log.ts';
import { cannotBeBlanked } from '../../src/observability/redaction.ts';
import { LOOKS, MAY_LOOK } from '../../src/observability/secretText.ts';

/** Runs `write` with a log that hides these secrets. Returns its lines. */
function linesOf(secrets: readonly string[], write: (log: GatewayLog) => void): string[] {
  const lines: string[] = [];
  const log = createLog('info', { write: (line: string) => void lines.push(line) });
  log.hide(secrets);
  write(log);
  return lines;
}

/** Every text of a value: its strings, its numbers and the names of its members. */
function textsIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [String(value)];
  return Object.entries(value).flatMap(([name, member]) => [name, ...textsIn(member)]);
}

const about = { event: 'request.completed' } as const;

/** The places of a line in which text may stand. */
const PLACES: Readonly<Record<string, (log: GatewayLog, text: string) => void>> = {
  message: (log, text) => log.info(about, `it said: ${text}.`),
  field: (log, text) => log.info({ ...about, detail: text }, 'said'),
  'nested field': (log, text) => log.info({ ...about, changes: [{ to: { name: `<${text}>` } }] }, 'said'),
  'name of a member': (log, text) => log.info({ ...about, of: { [text]: 1 } }, 'said'),
  error: (log, text) => log.error({ ...about, err: new Error(`cannot use ${text}\n${text}`) }, 'failed'),
  cause: (log, text) =>
    log.error({ ...about, err: new Error('no', { cause: new TypeError(text) }) }, 'failed'),
  'errors of an error': (log, text) =>
    log.error({ ...about, err: new AggregateError([new Error(text)]) }, 'failed'),
  'fact of an error': (log, text) =>
    log.error({ ...about, err: Object.assign(new Error('no'), { detail: text }) }, 'failed'),
  'member of an error': (log, text) =>
    log.error({ ...about, err: Object.assign(new Error('no'), { config: { url: text } }) }, 'failed'),
  link: (log, text) =>
    log.info({ ...about, url: `https://host/a?x=${encodeURIComponent(text)}&y=1` }, 'said'),
  'quoted form': (log, text) => log.info({ ...about, url: `?${new URLSearchParams({ text })}` }, 'said'),
  'child logger': (log, text) => log.child({ request: text }).info(about, 'said'),
};

/** Whatever a header can carry. */
const secretValues = fc
  .string({
    minLength: 8,
    maxLength: 40,
    unit: fc.integer({ min: 0x20, max: 0xff }).map(String.fromCharCode),
  })
  .filter((text) => !/[\x7f-\x9f]/.test(text) && text.trim() === text && !cannotBeBlanked(text));

describe('a secret that is configured', () => {
  for (const [place, write] of Object.entries(PLACES)) {
    it(`is in no line, whatever it is: ${place}`, () => {
      fc.assert(
        fc.property(fc.array(secretValues, { minLength: 1, maxLength: 4 }), (secrets) => {
          const [secret = ''] = secrets;
          const [line = ''] = linesOf(secrets, (log) => write(log, secret));
          const written = JSON.parse(line);
          expect(written.event).toBe(about.event);
          for (const text of textsIn(written)) expect(text).not.toContain(secret);
          expect(line).not.toContain(encodeURIComponent(secret));
        }),
      );
    });
  }

  it('is hidden in lines after it was read anew', () => {
    const lines = linesOf(['first-secret'], (log) => {
      log.hide(['other-secret']);
      log.info({ ...about, detail: 'first-secret, other-secret' }, 'said');
    });
    expect(JSON.parse(lines[0] ?? '').detail).toBe('[secret], [secret]');
  });

  it('is no part of a longer word or number', () => {
    const text = '112345678901, onetake-pg-standby, 12345678901 and onetake-pg';
    const [line = ''] = linesOf(['12345678901', 'onetake-pg'], (log) =>
      log.info({ ...about, text, other: 112345678901 }, 'said'),
    );
    expect(JSON.parse(line)).toMatchObject({
      text: '112345678901, onetake-pg-standby, [secret] and [secret]',
      other: 112345678901,
    });
  });

  it('is found inside of words if it cannot be one by chance', () => {
    const [line = ''] = linesOf(['Abcdefgh12345678'], (log) => log.info(about, 'key_Abcdefgh12345678x'));
    expect(JSON.parse(line).msg).toBe('key_[secret]x');
  });

  it('changes neither the names of fields nor the event, the level or the time', () => {
    const [line = ''] = linesOf(['request.completed', 'info1234', 'production9'], (log) =>
      log.info({ ...about, production9: 'production9' }, 'info1234'),
    );
    expect(JSON.parse(line)).toMatchObject({
      ...about,
      level: 'info',
      production9: '[secret]',
      msg: '[secret]',
    });
  });

  it('changes no place in a stack', () => {
    const err = new Error('cannot use production9');
    err.stack = `${err}\n    at open (file:///srv/production9/pool.ts:10:20)\n    at production9`;
    const [line = ''] = linesOf(['production9'], (log) => log.error({ ...about, err }, 'failed'));
    expect(JSON.parse(line).err.stack).toBe(
      'Error: cannot use [secret]\n    at open (file:///srv/production9/pool.ts:10:20)\n    at [secret]',
    );
  });

  it.each(['postgres', 'Password', 'production', 'PASSWORD', 'a1b2c3'])(
    'is not blanked if it is a word or short: %s',
    (word) => {
      expect(cannotBeBlanked(word)).toBe(true);
      const [line = ''] = linesOf([word], (log) => log.info(about, `the ${word} word`));
      expect(JSON.parse(line).msg).toBe(`the ${word} word`);
    },
  );

  it('leaves numbers alone, unless it is one', () => {
    const lines = linesOf(['12345678'], (log) => log.info({ ...about, is: 12345678, other: 1234 }, 'said'));
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ is: '[secret]', other: 1234 });
  });
});

describe('what is no plain data', () => {
  it('is not written: neither members of errors nor objects of classes', () => {
    class Client {
      readonly credentials = 'abc';
    }
    const err = Object.assign(new Error('no'), {
      request: { auth: 'abc' },
      code: 'E_NO',
      client: new Client(),
    });
    const lines = linesOf([], (log) =>
      log.error({ ...about, err, client: new Client(), list: [err] }, 'failed'),
    );
    const line = JSON.parse(lines[0] ?? '');
    expect(line).toMatchObject({ client: '[Client]', err: { type: 'Error', message: 'no', code: 'E_NO' } });
    expect(line.err.stack).toContain('redaction.test.ts');
    expect(lines[0]).not.toContain('abc');
  });

  it('is blanked under the name of a secret, at any depth', () => {
    const fields = { request: { headers: { authorization: 'abc' }, of: [{ token: 'abc', note: 'kept' }] } };
    const lines = linesOf([], (log) =>
      log.info({ ...about, ...fields, ['apiKey' as string]: 'abc' }, 'said'),
    );
    expect(lines[0]).not.toContain('abc');
    expect(lines[0]).toContain('kept');
  });

  it.each([
    'Authorization',
    'access_token',
    'accessToken',
    'client_secret',
    'x-api-key',
    'set-cookie',
    'secretAccessKey',
  ])('is blanked under names like %s', (name) => {
    const [line = '', child = ''] = linesOf([], (log) => {
      log.info({ ...about, of: { [name]: 'abc' } }, 'said');
      log
        .child({ [name]: 'abc', of: { [name]: 'abc' } }, {})
        .child({})
        .info(about, 'said');
    });
    expect(JSON.parse(line).of).toEqual({ [name]: '[secret]' });
    expect(JSON.parse(child)).toMatchObject({ [name]: '[secret]', of: { [name]: '[secret]' } });
  });

  it('is not asked how to write itself', () => {
    const toJSON = () => ({ apiKey: 'leak' });
    const lines = linesOf([], (log) => {
      log.info({ ...about, data: { toJSON, kept: 1 }, list: [{ toJSON }], toJSON }, 'said');
      log.child({ data: { toJSON } }).info(about, 'said');
    });
    expect(lines.join('')).not.toContain('leak');
    expect(JSON.parse(lines[0] ?? '').data).toEqual({ kept: 1 });
  });

  it('never makes the call throw', () => {
    const throwing = Object.defineProperty({}, 'a', {
      enumerable: true,
      get() {
        throw new Error('no');
      },
    });
    const proxy = new Proxy({}, { getPrototypeOf: () => fail(), ownKeys: () => fail() });
    const fail = () => {
      throw new Error('no');
    };
    const odd = Object.assign(new AggregateError([]), { errors: 'none' });
    const circular = new Error('round');
    circular.cause = circular;
    const values = [
      throwing,
      proxy,
      odd,
      circular,
      Object.freeze(new Error('frozen')),
      1n,
      Symbol('s'),
      new Date(NaN),
    ];
    const lines = linesOf([], (log) => {
      for (const value of values) {
        log.info({ ...about, value }, 'as a value');
        log.error({ ...about, err: value }, 'as an error');
        log.child({ value }).info(about, 'as a field of a child');
      }
      const method = Object.defineProperty({ ...about }, 'method', { get: () => fail() });
      log.info(method as typeof about, 'read by pino');
      log.info(Object.assign(throwing, about), 'as fields');
      log.child(proxy).info(about, 'as all fields of a child');
    });
    expect(lines).toHaveLength(values.length * 3 + 3);
    for (const line of lines) expect(JSON.parse(line).event).toBe(about.event);
  });

  it('is written if it is a time, an address or another error', () => {
    const [line = ''] = linesOf([], (log) =>
      log.info({ ...about, at: new Date(0), url: new URL('http://a/b'), why: [new Error('w')] }, 'said'),
    );
    expect(JSON.parse(line)).toMatchObject({
      at: '1970-01-01T00:00:00.000Z',
      url: 'http://a/b',
      why: [{ message: 'w' }],
    });
  });
});

describe('an error', () => {
  const written = (err: unknown) =>
    JSON.parse(linesOf([], (log) => log.error({ ...about, err }, 'failed'))[0] ?? '').err;

  it('has the facts of its cause and of the errors in it', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED ::1:80'), {
      code: 'ECONNREFUSED',
      port: 80,
    });
    const cause = Object.assign(new AggregateError([refused]), { code: 'ECONNREFUSED' });
    expect(written(new TypeError('fetch failed', { cause }))).toMatchObject({
      type: 'TypeError',
      message: 'fetch failed: ECONNREFUSED',
      stack: expect.stringContaining('caused by: AggregateError'),
      cause: {
        type: 'AggregateError',
        code: 'ECONNREFUSED',
        aggregateErrors: [{ message: 'connect ECONNREFUSED ::1:80', code: 'ECONNREFUSED', port: 80 }],
      },
    });
  });

  it('has its cause, if that is no error, as plain data', () => {
    expect(written(new Error('no', { cause: 'a word' })).cause).toBe('a word');
    expect(written(new Error('no', { cause: { status: 3, token: 'abc' } })).cause).toEqual({
      status: 3,
      token: '[secret]',
    });
  });

  it('has a message, also if no constructor made it', () => {
    const err = Object.assign(Object.create(Error.prototype), { message: 'made by hand', code: 'E_HAND' });
    expect(written(err)).toMatchObject({ type: 'Error', message: 'made by hand', code: 'E_HAND' });
  });

  it('is bounded, however many errors lead to each other', () => {
    const round: Error & { errors?: Error[] } = new Error('round');
    round.cause = round;
    round.errors = Array.from({ length: 1000 }, () => round);
    const facts = written(round);
    expect(JSON.stringify(facts).match(/"message"/g)?.length).toBeLessThanOrEqual(32);
    expect(facts.stack.match(/caused by/g)).toBeNull();
  });
});

describe('what looks like a secret', () => {
  for (const [what, text] of Object.entries({
    'a key after a line break': 'refused:\nsk-0123456789abcdef',
    'a webhook secret': 'with whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    'a bearer token': 'bearer abc.defgh',
    'credentials of a proxy': 'Basic dXNlcjpwYXNz',
    'other credentials': 'Authorization: Basic dXNlcjpwYXNz',
    'a password in a link': 'https://user:0123456789@host/a',
    'a token of its own': 'with eyJ0123456789.eyJpc3Mi.a_b-c',
    'a signed link': 'https://bucket/x.mp4?Expires=1&Signature=abc%2Fdef',
    'a link of S3': 'https://bucket/x.mp4?X-Amz-Security-Token=0123456789&x=1&X-Amz-Signature=abc%2Fdef',
    'a link of Azure': 'https://bucket/x.mp4?sv=1&sig=abc%2Fdef',
    'a link with a token': 'https://bucket/x.mp4?access_token=0123456789&_jwt=abc%2Fdef',
    'a link in JSON of Go': String.raw`{"url":"https://bucket/x.mp4?Expires=1\u0026X-Tos-Signature=abc%2Fdef"}`,
  }))
    it(`is blanked in any text: ${what}`, () => {
      const [line = ''] = linesOf([], (log) => log.warn({ ...about, err: new Error(text) }, text));
      expect(JSON.parse(line).msg).toContain('[secret]');
      expect(JSON.parse(line).err.message).toContain('[secret]');
      for (const other of [text.toUpperCase(), text.toLowerCase()])
        if (new RegExp(LOOKS.join('|'), 'i').test(other)) expect(other).toMatch(new RegExp(MAY_LOOK));
      expect(line).not.toMatch(/0123456789|MfKQ9r8|abc\.defgh|dXNlcjpwYXNz|abc%2Fdef/);
    });

  it('and words that do not are left as they are', () => {
    const [line = ''] = linesOf(['a-secret-value'], (log) =>
      log.info({ ...about, task: 'risk-assessment-task' }, 'x'),
    );
    expect(JSON.parse(line).task).toBe('risk-assessment-task');
  });

  it.each([
    'Your Basic subscription ended',
    'a Basic monthly-plan for https://host:80/@a',
    'the bearer of this',
    '?monkey=abcdefgh',
  ])('is no prose: %s', (text) => {
    const [line = ''] = linesOf([], (log) => log.info(about, text));
    expect(JSON.parse(line).msg).toBe(text);
  });

  it('is looked for in time that grows with the text: no lookbehind is unbounded, nor a lookahead', () => {
    for (const pattern of LOOKS)
      for (const around of aroundsOf(pattern))
        expect(around.replaceAll(/\[(?:\\.|[^\]])*\]|\\./g, 'x')).not.toMatch(/[*+]|\{\d+,\}/);
    expect(aroundsOf('a(?<=b(?:c)*)(?=d+)')).toEqual(['b(?:c)*', 'd+']);
  });
});

/** What stands in the lookaheads and lookbehinds of a pattern. */
function aroundsOf(pattern: string): string[] {
  return [...pattern.matchAll(/\(\?<?[=!]/g)].map(({ index, 0: open }) => {
    const rest = pattern.slice(index + open.length);
    let depth = 1;
    for (const { index: at, 0: token } of rest.matchAll(/\[(?:\\.|[^\]])*\]|\\.|[()]/g)) {
      if (token === '(') depth += 1;
      if (token === ')') depth -= 1;
      if (depth === 0) return rest.slice(0, at);
    }
    throw new Error(`${pattern} is not closed.`);
  });
}
