import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { expect, it, onTestFinished } from 'vitest';
import { startBody } from '../../../src/api/http/blockBody.ts';
import { createFileStorage } from '../../../src/media/files/storage.ts';
import { piecesOf } from '../../../src/media/pieces.ts';
import { put } from '../../media/storageContract.ts';
import { eventually } from '../../support/eventually.ts';
import { LISTS_OPEN_FILES, openFilesIn } from '../../support/openFiles.ts';
import { tempFolder } from '../../support/tempFolder.ts';

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>) {
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => response.destroy(error));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const digestOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

it('sends each of many files at once as it is, from buffers that they share', async () => {
  const root = await tempFolder();
  const storage = createFileStorage({ root });
  const files = Array.from({ length: 24 }, (_, n) => ({
    key: `video/${n}.mp4`,
    bytes: randomBytes(700_000 + n * 50_001),
  }));
  for (const { key, bytes } of files) await put(storage, key, bytes);
  const port = await serve(async ({ url = '' }, response) => {
    (await startBody(piecesOf(await storage.read(url.slice(1))))).pipe(response);
  });
  for (let turn = 0; turn < 2; turn++) {
    const digests = await Promise.all(
      files.map(async ({ key }) => {
        const response = await fetch(`http://127.0.0.1:${port}/${key}`);
        return digestOf(Buffer.from(await response.arrayBuffer()));
      }),
    );
    expect(digests).toEqual(files.map(({ bytes }) => digestOf(bytes)));
  }
  if (LISTS_OPEN_FILES) await eventually(async () => expect(await openFilesIn(root)).toEqual([]));
});

it.skipIf(!LISTS_OPEN_FILES)('closes the file if the client goes, reading or not', async () => {
  const root = await tempFolder();
  const storage = createFileStorage({ root });
  await put(storage, 'video/1.mp4', randomBytes(30_000_000));
  const bodies: Readable[] = [];
  const port = await serve(async (_request, response) => {
    const body = await startBody(piecesOf(await storage.read('video/1.mp4')));
    bodies.push(body);
    // As Fastify does.
    response.once('close', () => body.destroy());
    body.pipe(response);
  });
  for (const isReading of [true, false]) {
    const client = connect(port, '127.0.0.1');
    client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await once(client, 'readable');
    if (isReading) client.resume();
    expect(await openFilesIn(root)).toHaveLength(1);
    client.destroy();
    await eventually(async () => expect(await openFilesIn(root)).toEqual([]));
  }
  expect(bodies.map(({ readableEnded }) => readableEnded)).toEqual([false, false]);
});

it('asks for the next piece only once the connection has taken the last', async () => {
  let asked = 0;
  const pieces = async function* () {
    for (;;) {
      asked += 1;
      yield Buffer.alloc(2 ** 20);
    }
  };
  const port = await serve(async (_request, response) => {
    const body = await startBody(pieces());
    response.once('close', () => body.destroy());
    body.pipe(response);
  });
  const client = connect(port, '127.0.0.1');
  client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await once(client, 'readable');
  // A client that does not read: what is sent stays in the buffers of the kernel.
  const before = asked;
  expect(before).toBeLessThan(20);
  client.destroy();
});

it('fails before it is a body if its first piece does, and with its connection later', async () => {
  const failing = async function* (good: number) {
    for (let piece = 0; piece < good; piece++) yield 'good';
    throw new Error('the disk broke');
  };
  await expect(startBody(failing(0))).rejects.toThrow('the disk broke');
  const errors: unknown[] = [];
  const port = await serve(async (_request, response) => {
    response.setHeader('content-length', 100);
    const body = await startBody(failing(2));
    body.once('error', (error) => {
      errors.push(error);
      response.destroy();
    });
    body.pipe(response);
  });
  const response = await fetch(`http://127.0.0.1:${port}/`);
  await expect(response.text()).rejects.toThrow();
  expect(errors).toMatchObject([{ message: 'the disk broke' }]);
});

it('is made of any stream, and refuses a reader that would keep its pieces', async () => {
  const body = await startBody(piecesOf(Readable.from([Buffer.from('one'), Buffer.from('two')])));
  expect(() => body.pipe(new PassThrough())).toThrow('only answer a request');
  const port = await serve(async (_request, response) => void body.pipe(response));
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('onetwo');
});
