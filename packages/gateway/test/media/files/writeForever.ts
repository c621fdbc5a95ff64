import { Readable } from 'node:stream';
import { createFileStorage } from '../../../src/media/files/storage.ts';

/** A process to be killed: writes the object `key` below `root` without an end, and reports its progress. */
const [root = '', key = ''] = process.argv.slice(2);

function* letters(): Generator<Buffer> {
  for (let written = 0; ; written += 1024) {
    yield Buffer.alloc(1024, 'x');
    process.stdout.write(`${written}\n`);
  }
}

const write = await createFileStorage({ root }).write(key);
await write.append(Readable.from(letters()), write.partial);
