import { describe, expect, it, onTestFinished } from 'vitest';
import type { Handle, Provider } from '../../../src/providers/provider.ts';
import type { UpstreamResult } from '../../../src/tasks/task.ts';
import { readAll } from '../../support/http/readAll.ts';
import { sending } from '../../support/sending.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { aJob, handleOf, open, openAccount, type Service, signal } from './world.ts';

const TWO_DAYS_MS = 2 * 24 * 3_600_000;

async function finished(service: Service, more: Record<string, unknown> = {}, prompt = 'a paper boat') {
  const opened = await open(service, more);
  const job = aJob(service, { prompt });
  const handle = handleOf(job, (await opened.provider.submit(job, sending(signal()))).upstreamId);
  opened.simulators.finishAll();
  const answer = await opened.provider.poll(handle, signal());
  if (answer.state !== 'succeeded') throw new Error(answer.state);
  return { ...opened, handle, result: answer.result };
}

async function read(provider: Provider, handle: Handle, result: UpstreamResult, offset = 0): Promise<Buffer> {
  const { stream, offset: from } = await provider.open(handle, result, offset, signal());
  expect(from).toBe(offset);
  return readAll(stream);
}

describe('a video inside an operation', () => {
  it('that nobody reads does not keep its connection', async () => {
    const left = Promise.withResolvers<void>();
    const server = await serve((_request, response) => {
      response.on('close', left.resolve);
      response.write('{"name":"x","done":true,"response":{"videos":[{"bytesBase64Encoded":"AAAA');
    });
    const { env } = await open('vertex');
    const { provider } = await openAccount(env, { base_url: server.origin });
    onTestFinished(() => provider.close());
    const never = new AbortController().signal;
    const handle = handleOf(aJob('vertex'), 'projects/p/operations/x');
    const { stream } = await provider.open(handle, { ref: 'inline' }, 0, never);
    stream.destroy();
    await left.promise;
  });
});

describe('a finished video', () => {
  it('on the Gemini API is kept for two days and lost afterwards', async () => {
    const { simulators, provider, handle, result } = await finished('gemini');
    expect((await read(provider, handle, result)).toString('latin1', 4, 8)).toBe('ftyp');
    simulators.advance(TWO_DAYS_MS);
    await expect(provider.open(handle, result, 0, signal())).rejects.toMatchObject({ reason: 'result_lost' });
    expect((await provider.poll(handle, signal())).state).toBe('missing');
  });

  it.each<[Service, Record<string, unknown>]>([
    ['gemini', {}],
    ['vertex', {}],
    ['vertex', { storage_uri: 'gs://videos/out' }],
  ])('on %s %o whose download breaks off is resumed from there', async (service, more) => {
    const { simulators, provider, handle, result } = await finished(service, more);
    const whole = await read(provider, handle, result);
    const inline = service === 'vertex' && more.storage_uri === undefined;
    simulators.faults.add({
      kind: 'truncated_body',
      operation: inline ? 'poll' : 'download',
      count: 1,
      // The Gemini API answers the first request with a redirect.
      after: service === 'gemini' ? 1 : 0,
    });
    const pieces: Buffer[] = [];
    const { stream } = await provider.open(handle, result, 0, signal());
    await expect(
      (async () => {
        for await (const piece of stream) pieces.push(piece);
      })(),
    ).rejects.toThrow();
    const part = Buffer.concat(pieces);
    expect(part.length).toBeLessThan(whole.length);
    const rest = await read(provider, handle, result, part.length);
    expect(Buffer.concat([part, rest]).equals(whole)).toBe(true);
  });

  it.each<[Service, Record<string, unknown>]>([
    ['gemini', {}],
    ['vertex', { storage_uri: 'gs://videos/out' }],
  ])('on %s %o that cannot be downloaded is lost', async (service, more) => {
    const { provider, handle, result } = await finished(service, more, 'a paper boat [gone]');
    await expect(provider.open(handle, result, 0, signal())).rejects.toMatchObject({ reason: 'result_lost' });
  });

  it('inside a deleted operation is lost', async () => {
    const { provider, handle, result } = await finished('vertex');
    const other = { ...handle, upstreamId: handle.upstreamId.replace(/[0-9a-f]{12}$/, '000000000000') };
    await expect(provider.open(other, result, 0, signal())).rejects.toMatchObject({ reason: 'result_lost' });
  });

  it('has a short reference, however large it is', async () => {
    for (const more of [{}, { storage_uri: 'gs://videos/out' }]) {
      const { result } = await finished('vertex', more);
      expect(JSON.stringify(result).length).toBeLessThan(200);
    }
  });
});
