import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { checkMp4Boxes } from '../../../src/media/inspect/mp4Boxes.ts';
import { tempFolder } from '../../support/tempFolder.ts';

async function checked(...parts: Buffer[]) {
  const path = join(await tempFolder(), 'boxes.mp4');
  await writeFile(path, Buffer.concat(parts));
  const file = await open(path);
  onTestFinished(() => file.close());
  return checkMp4Boxes(file);
}

/** A box of this total size; `says` is the length in its header. */
function box(type: string, length = 8, says = length): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUInt32BE(says, 0);
  bytes.write(type, 4, 'latin1');
  return bytes;
}

function longBox(type: string, length: number, says = length): Buffer {
  const bytes = box(type, length, 1);
  bytes.writeBigUInt64BE(BigInt(says), 8);
  return bytes;
}

const FTYP = box('ftyp', 24);
const MOOV = box('moov', 100);

it.each<[string, Buffer[], string]>([
  ['index before the data', [FTYP, MOOV, box('mdat', 50)], 'whole'],
  ['data before the index', [FTYP, box('free'), box('mdat', 50), MOOV], 'whole'],
  ['a box with a 64-bit length', [FTYP, MOOV, longBox('mdat', 50)], 'whole'],
  ['a last box that reaches to the end', [FTYP, MOOV, box('mdat', 50, 0)], 'whole'],
  ['an old QuickTime file', [box('wide'), box('mdat', 50), MOOV], 'whole'],
  ['no index', [FTYP, box('mdat', 50)], 'truncated'],
  ['an index cut short', [FTYP, box('mdat', 50), MOOV.subarray(0, 60)], 'truncated'],
  ['data cut short', [FTYP, MOOV, box('mdat', 50, 51)], 'truncated'],
  ['data with a 64-bit length cut short', [FTYP, MOOV, longBox('mdat', 50, 2 ** 40)], 'truncated'],
  ['the first bytes of a header', [FTYP, MOOV, Buffer.from([0, 0, 0])], 'truncated'],
  ['a 64-bit header cut short', [FTYP, MOOV, box('mdat', 12, 1)], 'truncated'],
  ['a length below that of a header', [FTYP, MOOV, box('mdat', 50, 7)], 'truncated'],
  ['a 64-bit length below that of its header', [FTYP, MOOV, longBox('mdat', 50, 8)], 'truncated'],
  ['a box that is only its header', [FTYP, MOOV, box('free', 8)], 'whole'],
  ['a 64-bit box that is only its header', [FTYP, MOOV, longBox('mdat', 16)], 'whole'],
  ['a 64-bit length that is just too short', [FTYP, MOOV, longBox('mdat', 50, 15)], 'truncated'],
  // At its end, as its length tells it, a whole box begins.
  [
    'a length of less than a header',
    [FTYP, MOOV, Buffer.from('\0\0\0\x04\0\0\0\x08free', 'latin1')],
    'truncated',
  ],
  ['all but one byte of a header', [FTYP, MOOV, Buffer.alloc(7)], 'truncated'],
  ['nothing', [], 'truncated'],
  ...['styp', 'moov', 'mdat', 'free', 'skip', 'wide', 'pnot'].map((type): [string, Buffer[], string] => [
    `${type} as its first box`,
    [box(type), MOOV],
    'whole',
  ]),
  ['an unknown first box', [box('abcd'), MOOV], 'not_mp4'],
  ['an unknown box behind it', [FTYP, box('abcd'), MOOV], 'whole'],
  ['another kind of file', [Buffer.from('\x1aE\xdf\xa3 and more of it', 'latin1')], 'not_mp4'],
  ['less than a header', [Buffer.from('ftyp')], 'not_mp4'],
])('%s', async (_what, parts, expected) => {
  expect((await checked(...parts)).verdict).toBe(expected);
});

/** A `uuid` box with content credentials, as C2PA 2.x describes it. */
function credentials(purpose: string, type = 'd8fec3d61b0e483c92975828877ec481', header = box('uuid', 8)) {
  const content = Buffer.concat([
    Buffer.from(type, 'hex'),
    Buffer.alloc(4),
    Buffer.from(`${purpose}\0`, 'latin1'),
    Buffer.alloc(80),
  ]);
  const bytes = Buffer.concat([header, content]);
  if (header.length === 8) bytes.writeUInt32BE(bytes.length, 0);
  else bytes.writeBigUInt64BE(BigInt(bytes.length), 8);
  return bytes;
}

it.each<[string, Buffer[], boolean]>([
  ['none', [FTYP, MOOV], false],
  ['a manifest before the index', [FTYP, credentials('manifest'), MOOV], true],
  ['a manifest at the end', [FTYP, MOOV, credentials('manifest')], true],
  ['an update of a manifest', [FTYP, credentials('update'), MOOV], true],
  [
    'a manifest with a 64-bit length',
    [FTYP, credentials('manifest', undefined, longBox('uuid', 16)), MOOV],
    true,
  ],
  ['hashes of fragments alone', [FTYP, credentials('merkle'), MOOV], false],
  ['a manifest and hashes', [FTYP, credentials('manifest'), MOOV, credentials('merkle')], true],
  ['a box of another kind', [FTYP, credentials('manifest', 'be7acfcb97a942e89c71999491e3afac'), MOOV], false],
  ['a box that ends early', [FTYP, MOOV, box('uuid', 12)], false],
])('content credentials: %s', async (_what, parts, expected) => {
  expect(await checked(...parts)).toEqual({ verdict: 'whole', hasCredentials: expected });
});
