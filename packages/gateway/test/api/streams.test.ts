import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createDraining } from '../../src/api/draining.ts';
import { createEventStreams } from '../../src/api/streams.ts';
import type { KeyRow } from '../../src/store/projects.ts';
import { momentAt } from '../../src/time/clock.ts';
import { aKey } from '../support/builders.ts';
import { eventually } from '../support/eventually.ts';
import { serve } from '../support/servers/httpServer.ts';

function world({ isValid = async (_key: KeyRow) => true } = {}) {
  let forget: () => void = () => undefined;
  let ms = 0;
  const draining = createDraining();
  const streams = createEventStreams({
    draining,
    keyring: {
      isValid,
      onForget(listener) {
        forget = listener;
        return () => undefined;
      },
    },
    clock: { now: Date.now },
    monotonicClock: { monotonic: () => momentAt(ms) },
    limits: { perKey: 2, perNode: 3 },
  });
  const closed: string[] = [];
  return {
    streams,
    draining,
    closed,
    forget: () => forget(),
    pass(seconds: number) {
      ms += seconds * 1000;
    },
    open: (key: KeyRow = aKey()) => streams.open(key, () => void closed.push(key.name)),
  };
}

it('a client that does not read is cut off before it takes much memory, and one that reads is not', async () => {
  const { streams, open, closed } = world();
  const [slow, quick] = [open(aKey({ name: 'slow' })), open(aKey({ name: 'quick' }))];
  let read = 0;
  quick.body.on('data', (data: Buffer) => {
    read += data.length;
  });
  const frame = Buffer.alloc(10_000);
  for (let n = 0; n < 1000; n++) {
    slow.push(frame);
    quick.push(frame);
    expect(slow.body.readableLength).toBeLessThan(4_300_000);
    if (n % 20 === 0) await sleep(0);
  }
  await eventually(() => expect(read).toBe(10_000_000));
  expect([slow.isClosed, quick.isClosed, closed, streams.count]).toEqual([true, false, ['slow'], 1]);
  quick.body.destroy();
});

it('a client is cut off once it has been behind for ten seconds, and not for what came in one moment', async () => {
  const { open, pass } = world();
  const [slow, quick] = [open(), open()];
  const burst = () => {
    for (let n = 0; n < 40; n++) for (const stream of [slow, quick]) stream.push(Buffer.alloc(10_000));
  };
  burst();
  expect([slow.isClosed, quick.isClosed]).toEqual([false, false]);
  quick.body.read();
  pass(6);
  burst();
  expect([slow.isClosed, quick.isClosed]).toEqual([false, false]);
  pass(6);
  for (const stream of [slow, quick]) stream.push(':\n\n');
  expect([slow.isClosed, quick.isClosed]).toEqual([true, false]);
  quick.body.destroy();
});

it('a client that reads at once gets over HTTP what comes in one moment, and is not cut off', async () => {
  const { open } = world();
  const stream = open();
  const server = await serve((_request, response) => {
    response.flushHeaders();
    stream.body.pipe(response);
  });
  const response = await fetch(server.origin);
  for (let n = 0; n < 200; n++) stream.push(Buffer.alloc(10_000));
  stream.end();
  expect((await response.arrayBuffer()).byteLength).toBe(2_000_000);
});

it('send waits for a client that reads slowly, and ends with it', async () => {
  const { open } = world();
  const stream = open();
  const frame = Buffer.alloc(100_000);
  const sent = stream.send(frame);
  let isSent = false;
  void sent.then(() => {
    isSent = true;
  });
  await sleep(10);
  expect(isSent).toBe(false);
  stream.body.read();
  await sent;
  const never = stream.send(frame);
  stream.body.destroy();
  await never;
  await stream.send(frame);
});

it('what was sent before the end is read to the end', async () => {
  const { open, draining, streams } = world();
  const stream = open();
  stream.push('one');
  stream.push('two');
  draining.release();
  stream.push('three');
  const text: string[] = [];
  stream.body.on('data', (data: Buffer) => text.push(String(data)));
  await once(stream.body, 'close');
  expect([text.join(' '), streams.count]).toEqual(['one two', 0]);
});

it('streams of an invalid key are ended, also if the store is away at first', async () => {
  let tries = 0;
  const { open, forget } = world({
    async isValid({ name }) {
      tries += 1;
      if (tries < 3) throw new Error('the store is away');
      return name !== 'revoked';
    },
  });
  const [revoked, other] = [open(aKey({ name: 'revoked' })), open(aKey({ name: 'other' }))];
  forget();
  await eventually(() => expect(revoked.isClosed).toBe(true));
  expect(other.isClosed).toBe(false);
});

it('a stream ends when its key expires', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { open } = world();
  const stream = open(aKey({ expiresAt: Date.now() + 5000 }));
  const lasting = open(aKey({ expiresAt: Date.now() + 2 ** 40 }));
  vi.advanceTimersByTime(4999);
  expect(stream.isClosed).toBe(false);
  vi.advanceTimersByTime(2);
  expect([stream.isClosed, lasting.isClosed]).toEqual([true, false]);
});

it('a key and the node have a number of streams each', async () => {
  const { open } = world();
  const [key, other] = [aKey(), aKey()];
  const first = open(key);
  open(key);
  expect(() => open(key)).toThrow('This API key has 2 event streams');
  open(other);
  expect(() => open(other)).toThrow('The gateway has too many');
  first.body.destroy();
  await once(first.body, 'close');
  open(key);
});
