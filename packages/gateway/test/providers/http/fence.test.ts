import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { Agent, request } from 'undici';
import { expect, it, onTestFinished } from 'vitest';
import { createFence, sendOnlyWhile } from '../../../src/providers/http/fence.ts';

/** A server that answers its first request when it is told to, and one connection to it, behind a fence. */
async function fenced(maySend: () => boolean) {
  const paths: (string | undefined)[] = [];
  let first: ServerResponse | undefined;
  const server = createServer((asked, answer) => {
    paths.push(asked.url);
    if (first) answer.end();
    first ??= answer;
    server.emit('asked');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const agent = new Agent({ connections: 1, pipelining: 1 });
  onTestFinished(async () => {
    await agent.destroy();
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  const dispatcher = agent.compose(createFence(maySend));
  return {
    paths,
    asked: () => once(server, 'asked'),
    send: (path: string) => request(`${url}${path}`, { dispatcher, method: 'POST', body: '{}' }),
    answerFirst: () => first?.end(),
  };
}

it('lets nothing out once the node may not send, also what has waited for a free connection since before', async () => {
  let may = true;
  const { paths, asked, send, answerFirst } = await fenced(() => may);
  const reached = asked();
  const first = send('/first');
  await reached;
  const waiting = send('/waiting').catch((error: unknown) => error);
  may = false;
  answerFirst();
  await (await first).body.dump();
  expect(await waiting).toBeInstanceOf(Error);
  may = true;
  const again = asked();
  void send('/last').catch(() => undefined);
  await again;
  expect(paths).toEqual(['/first', '/last']);
});

it('lets nothing out that depends on more than that, and holds up no other request', async () => {
  const { paths, asked, send, answerFirst } = await fenced(() => true);
  let ours = true;
  const reached = asked();
  const first = sendOnlyWhile(
    () => ours,
    () => send('/first'),
  );
  await reached;
  const waiting = sendOnlyWhile(
    () => ours,
    async () => {
      // As an adapter waits for its turn.
      await Promise.resolve();
      return send('/waiting');
    },
  ).catch((error: unknown) => error);
  const other = asked();
  void send('/other').catch(() => undefined);
  ours = false;
  answerFirst();
  await (await first).body.dump();
  expect(await waiting).toBeInstanceOf(Error);
  await other;
  expect(paths).toEqual(['/first', '/other']);
});
