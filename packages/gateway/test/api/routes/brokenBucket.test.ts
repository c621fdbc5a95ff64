import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Json, startTestGateway } from '../../support/gateway.ts';
import { bucketSettings, ownS3 } from '../../support/servers/bucket.ts';
import { flakyServer } from '../../support/servers/flakyServer.ts';

const XML = '<?xml version="1.0"?><Error><Code>InternalError</Code><Message>try again</Message></Error>';

/** Wrong responses of a bucket to a GET. */
const ANSWERS: readonly [string, (bytes: number) => (response: ServerResponse) => void][] = [
  [
    'has fewer bytes than the video',
    (bytes) => (response) =>
      response
        .writeHead(200, { 'content-length': Math.floor(bytes / 2) })
        .end(Buffer.alloc(Math.floor(bytes / 2))),
  ],
  [
    'has no length and ends before the video does',
    () => (response) => response.writeHead(206, { 'content-range': 'bytes 0-9/10' }).end('0123'),
  ],
  [
    'breaks off',
    (bytes) => (response) => {
      response.writeHead(200, { 'content-length': bytes });
      response.write(Buffer.alloc(Math.floor(bytes / 2)), () => response.destroy());
    },
  ],
  [
    'is an error with the status of a success',
    () => (response) => response.writeHead(200, { 'content-type': 'application/xml' }).end(XML),
  ],
  ['is longer than the video', (bytes) => (response) => response.writeHead(200).end(Buffer.alloc(2 * bytes))],
];

/** A gateway with a finished video in a bucket; the test decides how the bucket answers GETs of videos. */
async function world() {
  const s3 = await ownS3();
  const flaky = await flakyServer(s3);
  const gateway = await startTestGateway(
    bucketSettings({ ...s3, endpoint: flaky.endpoint, credentials: s3 }),
  );
  onTestFinished(() => gateway.end());
  const task: Json = await gateway.finished();
  const isGet = ({ method, url = '' }: IncomingMessage) => method === 'GET' && url.includes('/video/');
  return {
    gateway,
    task,
    answer(answer: (response: ServerResponse) => void) {
      flaky.fate = (request) => (isGet(request) ? { answer } : 'pass');
    },
    recover() {
      flaky.fate = () => 'pass';
    },
  };
}

describe.each(ANSWERS)('if the bucket’s response %s, a client', (_what, answerOf) => {
  it('gets an error or is cut off, never waits for ever and never gets other bytes; the video stays intact', async () => {
    const { gateway, task, answer, recover } = await world();
    const content = `/v1/video/generations/${task.task_id}/content`;
    const reads: [string, () => Promise<Response>][] = [
      ['whole', () => gateway.call(content)],
      ['part', () => gateway.call(content, { headers: { range: `bytes=10-${task.bytes - 11}` } })],
      ['end', () => gateway.call(content, { headers: { range: 'bytes=-1000' } })],
      ['base64', () => gateway.call(`/v1/video/generations/download?id=${task.task_id}`)],
      ['link', () => fetch(task.url)],
    ];
    answer(answerOf(task.bytes));
    for (const [what, read] of reads) {
      const outcome = await read()
        .then(
          async (response) => {
            if (response.status >= 500) return 'told';
            await response.arrayBuffer();
            return 'given';
          },
          () => 'cut off',
        )
        .catch(() => 'cut off');
      expect(['told', 'cut off'], what).toContain(outcome);
    }
    recover();
    for (const [what, read] of reads) {
      const response = await read();
      expect(response.status, what).toBeLessThan(300);
      await response.arrayBuffer();
    }
    const lines = gateway.log.map((line) => JSON.parse(line));
    expect(lines.filter(({ event }) => event === 'media.damaged')).toEqual([]);
  });
});
