import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLog, type GatewayLog } from '../../src/observability/log.ts';

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
  'name of a field': (log, text) => log.info({ ...about, [`a${text}`]: 1 }, 'said'),
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
  .filter((text) => !/[\x7f-\x9f]/.test(text) && text.trim() === text && text.length >= 8);

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

describe('what looks like a secret', () => {
  for (const [what, text] of Object.entries({
    'a key after a line break': 'refused:\nsk-0123456789abcdef',
    'a webhook secret': 'with whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    'a bearer token': 'Bearer abc.def',
    'credentials of a proxy': 'Basic dXNlcjpwYXNz',
    'a signed link': 'https://bucket/x.mp4?Expires=1&Signature=abc%2Fdef',
  }))
    it(`is blanked in any text: ${what}`, () => {
      const [line = ''] = linesOf([], (log) => log.warn({ ...about, err: new Error(text) }, text));
      expect(JSON.parse(line).msg).toContain('[secret]');
      expect(JSON.parse(line).err.message).toContain('[secret]');
      expect(line).not.toMatch(/0123456789|MfKQ9r8|abc\.def|dXNlcjpwYXNz|abc%2Fdef/);
    });

  it('and words that do not are left as they are', () => {
    const [line = ''] = linesOf(['a-secret-value'], (log) =>
      log.info({ ...about, task: 'risk-assessment-task' }, 'x'),
    );
    expect(JSON.parse(line).task).toBe('risk-assessment-task');
  });
});
