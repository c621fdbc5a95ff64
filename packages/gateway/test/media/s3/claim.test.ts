import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { claimBucket } from '../../../src/media/s3/claim.ts';
import { openBucket } from '../../../src/media/s3/client.ts';
import { serve } from '../../support/servers/httpServer.ts';

interface Answer {
  readonly status: number;
  readonly code?: string;
  readonly body?: string;
}

const NONE: Answer = { status: 404, code: 'NoSuchKey' };
const OURS: Answer = { status: 200, body: '{"installation":"ours"}' };
const THEIRS: Answer = { status: 200, body: '{"installation":"theirs"}' };
const DONE: Answer = { status: 200 };

/** Claims a bucket whose server gives these answers; the requests, with `*` if they are conditional, and what became of it. */
async function claim(...answers: Answer[]) {
  const { origin, requests } = await serve((request, response) => {
    request.resume();
    const { status, code, body } = answers[requests.length - 1] ?? { status: 418, code: 'Unexpected' };
    response.writeHead(status, { 'content-type': code ? 'application/xml' : 'application/json' });
    response.end(body ?? (code ? `<Error><Code>${code}</Code></Error>` : ''));
  });
  const bucket = openBucket({
    bucket: 'onetake',
    endpoint: origin,
    prefix: 'p',
    pathStyle: true,
    checksums: true,
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  });
  const end = await claimBucket(bucket, 'ours').then(
    () => 'claimed',
    (error: { code?: string }) => error.code,
  );
  const nameOf = ({ method, headers }: IncomingMessage) => `${method}${headers['if-none-match'] ?? ''}`;
  return { end, requests: requests.map(nameOf), path: requests[0]?.url };
}

describe('a place in a bucket', () => {
  it('is claimed if it has no owner, unless another installation writes first', async () => {
    expect(await claim(NONE, DONE, OURS)).toMatchObject({ end: 'claimed', requests: ['GET', 'PUT*', 'GET'] });
    expect((await claim(OURS)).path).toMatch(/^\/onetake\/p\/installation\.json/);
  });

  it.each<Answer>([
    { status: 412, code: 'PreconditionFailed' },
    { status: 409, code: 'ConditionalRequestConflict' },
  ])('is claimed by the first of two that write at once: %j', async (refusal) => {
    const requests = ['GET', 'PUT*', 'GET'];
    expect(await claim(NONE, refusal, OURS)).toMatchObject({ end: 'claimed', requests });
    expect(await claim(NONE, refusal, THEIRS)).toMatchObject({ end: 'storage_claimed', requests });
  });

  it.each<Answer>([
    { status: 501, code: 'NotImplemented' },
    { status: 400, code: 'InvalidArgument' },
    { status: 400, code: 'InvalidRequest' },
  ])('is claimed without the condition where the server does not support that: %j', async (refusal) => {
    const requests = ['GET', 'PUT*', 'PUT', 'GET'];
    expect(await claim(NONE, refusal, DONE, OURS)).toMatchObject({ end: 'claimed', requests });
    expect(await claim(NONE, refusal, DONE, THEIRS)).toMatchObject({ end: 'storage_claimed', requests });
  });

  it('is not claimed if the server refuses the write for another reason', async () => {
    expect(await claim(NONE, { status: 403, code: 'AccessDenied' })).toMatchObject({
      end: 'storage_unavailable',
      requests: ['GET', 'PUT*'],
    });
  });

  it.each<Answer>([
    { status: 200, body: '' },
    { status: 200, body: '{' },
    { status: 200, body: '{"installation":7}' },
  ])('is not claimed if its owner cannot be read: %j', async (answer) => {
    expect(await claim(answer)).toMatchObject({ end: 'storage_claimed', requests: ['GET'] });
  });
});
