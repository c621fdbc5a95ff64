// The usual way to download to a file with Node, in a process of its own: the reference. Nothing is checked, hashed or synced.
import { createWriteStream } from 'node:fs';
import { createServer } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { request } from 'undici';
import { printAddress } from './address.ts';

const [path = ''] = process.argv.slice(2);
printAddress(
  createServer((asked, response) => {
    const from = new URL(asked.url ?? '', 'http://bench').searchParams.get('from') ?? '';
    download(from).then(
      () => response.end(),
      (error) => response.destroy(error),
    );
  }),
);

async function download(from: string): Promise<void> {
  const { body } = await request(from);
  await pipeline(body, createWriteStream(path));
}
