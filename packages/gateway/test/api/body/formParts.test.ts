import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arrivingParts, partsOf } from '../../../src/api/body/formParts.ts';

const BOUNDARY = 'a-b';
const TYPE = `multipart/form-data; boundary=${BOUNDARY}`;

/** Bytes that look like a boundary more often than not. */
const content = fc
  .array(fc.constantFrom('\r', '\n', '-', '\r\n--', '\r\n--a', '--a-b', 'x', '\0'))
  .map((words) => Buffer.from(words.join('')))
  .filter((bytes) => !bytes.includes(`\r\n--${BOUNDARY}`));

const part = fc.record({
  name: fc.constantFrom('file', 'purpose', 'expires_after[seconds]'),
  filename: fc.option(fc.constantFrom('cat.png', 'ca"t', ''), { nil: undefined }),
  content,
});

function formOf(parts: readonly { name: string; filename: string | undefined; content: Buffer }[]): Buffer {
  return Buffer.concat([
    Buffer.from('preamble\r\n'),
    ...parts.flatMap((each) => [
      Buffer.from(
        `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${each.name}"${
          each.filename === undefined ? '' : `; filename="${each.filename.replaceAll('"', '%22')}"`
        }\r\n\r\n`,
      ),
      each.content,
      Buffer.from('\r\n'),
    ]),
    Buffer.from(`--${BOUNDARY}--\r\nepilogue`),
  ]);
}

/** A body in pieces that end at these places. */
function cut(body: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % body.length)), body.length].sort((a, b) => a - b);
  return ends.map((end, index) => body.subarray(ends[index - 1] ?? 0, end));
}

async function read(pieces: readonly Buffer[]) {
  const parts = [];
  for await (const { content: arriving, ...head } of arrivingParts(pieces, TYPE))
    parts.push({ ...head, content: Buffer.concat(await Array.fromAsync(arriving)) });
  return parts;
}

describe('a form that arrives in pieces', () => {
  it('has the same parts, wherever it is cut', async () => {
    const property = fc.asyncProperty(
      fc.array(part, { maxLength: 4 }),
      fc.array(fc.nat(), { maxLength: 12 }),
      async (parts, places) => {
        const body = formOf(parts);
        expect(await read(cut(body, places))).toEqual(parts);
        expect(await partsOf(body, TYPE)).toEqual(
          parts.map(({ filename, ...rest }) => ({ ...rest, isFile: filename !== undefined })),
        );
      },
    );
    await fc.assert(property, { numRuns: 200 });
  });

  const head = (disposition: string) => `Content-Disposition: form-data; ${disposition}\r\n\r\n`;

  it.each([
    ['a quote, as curl writes it', 'a\\"b.png', 'a"b.png'],
    ['a quote, as browsers write it', 'a%22b.png', 'a"b.png'],
    ['quotes at both ends', '\\"a\\"', '"a"'],
    ['what looks like the end of the name', 'a\\"; b', 'a"; b'],
    ['a backslash, as curl writes it', 'a\\\\b.png', 'a\\b.png'],
    ['a backslash and a quote', 'a\\\\\\"b', 'a\\"b'],
    ['a path, as old browsers write it', 'C:\\boats\\new.png', 'C:\\boats\\new.png'],
    ['a backslash at its end, as browsers write it', 'a\\', 'a\\'],
    ['other letters', 'ein „Boot\\"“.png', 'ein „Boot"“.png'],
  ])('has a file with %s in its name', async (_what, written, filename) => {
    const disposition = head(`name="file"; filename="${written}"`);
    const body = `--${BOUNDARY}\r\n${disposition}bytes\r\n--${BOUNDARY}--\r\n`;
    expect(await read([Buffer.from(body)])).toEqual([
      { name: 'file', filename, content: Buffer.from('bytes') },
    ]);
  });

  it.each([' ', '\t', ' \t  '])('may have the blanks %j behind its boundaries', async (blanks) => {
    const one = { name: 'file', filename: 'a', content: Buffer.from(`\r\n --a-b`) };
    const two = { name: 'purpose', filename: undefined, content: Buffer.from(' vision ') };
    const line = `--${BOUNDARY}${blanks}\r\n`;
    const body = Buffer.concat([
      Buffer.from(line + head('name="file"; filename="a"')),
      one.content,
      Buffer.from(`\r\n${line}${head('name="purpose"')} vision \r\n--${BOUNDARY}--${blanks}\r\n`),
    ]);
    expect(await read([body])).toEqual([one, two]);
    expect(await read([...body].map((byte) => Buffer.from([byte])))).toEqual([one, two]);
  });

  it('may not have anything else behind a boundary, nor endless blanks', async () => {
    for (const wrong of [' x', ' --', '-', '\n', ' '.repeat(1000)]) {
      const body = Buffer.from(`--${BOUNDARY}${wrong}\r\n${head('name="a"')}\r\n--${BOUNDARY}--\r\n`);
      await expect(read([body]), JSON.stringify(wrong)).rejects.toThrow('not valid multipart');
    }
  });

  it('may arrive byte by byte', async () => {
    const parts = [{ name: 'file', filename: 'cat.png', content: Buffer.from('\r\n--a\r\n') }];
    const body = formOf(parts);
    expect(await read([...body].map((byte) => Buffer.from([byte])))).toEqual(parts);
  });

  it('is never held as a whole: a part gives what has arrived of it', async () => {
    const form = formOf([{ name: 'file', filename: 'a', content: Buffer.alloc(0) }]);
    const head = form.subarray(0, form.indexOf('\r\n\r\n') + 4);
    let sent = 0;
    let taken = 0;
    async function* endless() {
      yield head;
      for (; sent < 100; sent++) yield Buffer.alloc(1000, 120);
    }
    const reading = (async () => {
      for await (const { content: arriving } of arrivingParts(endless(), TYPE)) {
        for await (const piece of arriving) {
          taken += piece.length;
          expect(sent * 1000 - taken).toBeLessThan(2000);
        }
      }
    })();
    await expect(reading).rejects.toThrow('not valid multipart');
    expect(taken).toBeGreaterThan(99_000);
  });

  it('reads what it does not want of a part before the next', async () => {
    const body = formOf([
      { name: 'file', filename: 'a', content: Buffer.alloc(100, 120) },
      { name: 'purpose', filename: undefined, content: Buffer.from('vision') },
    ]);
    const names = [];
    for await (const { name } of arrivingParts(cut(body, [50, 150]), TYPE)) names.push(name);
    expect(names).toEqual(['file', 'purpose']);
  });
});
