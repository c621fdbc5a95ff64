import { PassThrough, Readable } from 'node:stream';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { forwardLines } from '../../../src/cli/workers/lines.ts';

function recordingOutput() {
  const lines: string[] = [];
  return { lines, write: (line: string) => void lines.push(line), flush: async () => undefined };
}

it('writes whole lines, wherever they are cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: 'grapheme' }).map((text) => `${JSON.stringify({ text })}\n`)),
      fc.array(fc.nat({ max: 400 })),
      async (lines, cuts) => {
        const bytes = Buffer.from(lines.join(''));
        const at = [...new Set([0, ...cuts.filter((cut) => cut < bytes.length), bytes.length])].sort(
          (a, b) => a - b,
        );
        const pieces = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
        const output = recordingOutput();
        await forwardLines(Readable.from(pieces), output);
        expect(output.lines).toEqual(lines);
      },
    ),
  );
});

it('ends the line of a worker that was killed while it wrote', async () => {
  const output = recordingOutput();
  await forwardLines(Readable.from([Buffer.from('{"a":1}\n{"b":')]), output);
  expect(output.lines).toEqual(['{"a":1}\n', '{"b":\n']);
});

it('reads no more while nothing can be written', async () => {
  const from = new PassThrough({ highWaterMark: 1 });
  const flushing = Promise.withResolvers<void>();
  const { lines, write } = recordingOutput();
  const flushed = Promise.withResolvers<void>();
  const forwarded = forwardLines(from, {
    write,
    flush: () => {
      flushing.resolve();
      return flushed.promise;
    },
  });
  from.write('one\n');
  await flushing.promise;
  from.write('two\n');
  await new Promise((resolve) => setImmediate(resolve));
  expect(lines).toEqual(['one\n']);
  flushed.resolve();
  from.end();
  await forwarded;
  expect(lines).toEqual(['one\n', 'two\n']);
});
