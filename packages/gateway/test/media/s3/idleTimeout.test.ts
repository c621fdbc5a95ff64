import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { withIdleTimeout } from '../../../src/media/s3/idleTimeout.ts';
import { readAll } from '../../support/http/readAll.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a stream with an idle timeout', () => {
  it('passes on the bytes', async () => {
    const body = new PassThrough();
    const reading = readAll(withIdleTimeout(body, 1000));
    body.write('0123');
    body.end('456');
    expect((await reading).toString()).toBe('0123456');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('ends with an error if a reader waits for bytes and none come', async () => {
    const body = new PassThrough();
    const reading = readAll(withIdleTimeout(body, 1000));
    reading.catch(() => undefined);
    body.write('0123');
    await turn();
    vi.advanceTimersByTime(999);
    body.write('4');
    await turn();
    vi.advanceTimersByTime(999);
    expect(body.destroyed).toBe(false);
    vi.advanceTimersByTime(1);
    await expect(reading).rejects.toThrow('sent nothing for 1 second');
    expect(body.destroyed).toBe(true);
  });

  it('ends with an error if a reader waits for the first byte and none comes', async () => {
    const reading = readAll(withIdleTimeout(new PassThrough(), 1000));
    reading.catch(() => undefined);
    await turn();
    vi.advanceTimersByTime(1000);
    await expect(reading).rejects.toThrow('sent nothing for 1 second');
  });

  it('keeps an error for a reader that comes later', async () => {
    const body = new PassThrough();
    const stream = withIdleTimeout(body, 1000);
    body.destroy(new Error('ECONNRESET'));
    // Without anybody who listens, an error ends the process.
    await turn();
    await expect(readAll(stream)).rejects.toThrow('broke off');
  });

  it('waits for ever for a reader that has paused', async () => {
    const body = new PassThrough();
    const stream = withIdleTimeout(body, 1000);
    const pieces = stream[Symbol.asyncIterator]();
    const first = pieces.next();
    const large = Buffer.alloc(200_000);
    body.write(large);
    body.write(large);
    await first;
    await turn();
    vi.advanceTimersByTime(3_600_000);
    body.end();
    let bytes = (await first).value.length;
    for (let next = await pieces.next(); !next.done; next = await pieces.next()) bytes += next.value.length;
    expect(bytes).toBe(2 * large.length);
  });

  it('waits for ever for a reader that has not begun', async () => {
    const body = new PassThrough();
    const stream = withIdleTimeout(body, 1000);
    body.write('0123');
    await turn();
    vi.advanceTimersByTime(3_600_000);
    body.end('456');
    expect((await readAll(stream)).toString()).toBe('0123456');
  });

  it('ends with an error if the bytes break off', async () => {
    const body = new PassThrough();
    const reading = readAll(withIdleTimeout(body, 1000));
    body.write('0123');
    body.destroy();
    await expect(reading).rejects.toThrow('broke off');
  });

  it('ends with the error of its source as the cause', async () => {
    const body = new PassThrough();
    const reading = readAll(withIdleTimeout(body, 1000));
    const reset = new Error('read ECONNRESET');
    body.destroy(reset);
    await expect(reading).rejects.toMatchObject({
      code: 'storage_unavailable',
      status: 503,
      details: { retryAfterSeconds: 30 },
      cause: reset,
    });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('passes on no more than was requested', async () => {
    const body = new PassThrough();
    const reading = readAll(withIdleTimeout(body, 1000, 5));
    body.write('0123');
    body.write('4567');
    expect((await reading).toString()).toBe('01234');
  });

  it('closes the source when it is given up', async () => {
    const body = new PassThrough();
    const stream = withIdleTimeout(body, 1000);
    stream.destroy();
    await turn();
    expect(body.destroyed).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});
