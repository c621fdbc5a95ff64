import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { Agent, request } from 'undici';
import { expect, it, onTestFinished } from 'vitest';
import { createLeaseGuard } from '../../../src/providers/http/leaseGuard.ts';
import { SendRefused } from '../../../src/providers/provider.ts';

/** A server that answers its first request on demand, and one connection to it behind a lease guard. */
async function guarded(maySend: () => boolean) {
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
  const sendWhile = (condition: () => boolean, path: string) =>
    request(`${url}${path}`, {
      dispatcher: agent.compose(createLeaseGuard(() => maySend() && condition())),
      method: 'POST',
      body: '{}',
    });
  return {
    paths,
    asked: () => once(server, 'asked'),
    sendWhile,
    send: (path: string) => sendWhile(() => true, path),
    answerFirst: () => first?.end(),
  };
}

it('sends nothing once the node may not send, even requests that already wait for a connection', async () => {
  let may = true;
  const { paths, asked, send, answerFirst } = await guarded(() => may);
  const reached = asked();
  const first = send('/first');
  await reached;
  const waiting = send('/waiting').catch((error: unknown) => error);
  may = false;
  answerFirst();
  await (await first).body.dump();
  expect(await waiting).toBeInstanceOf(SendRefused);
  may = true;
  const again = asked();
  void send('/last').catch(() => undefined);
  await again;
  expect(paths).toEqual(['/first', '/last']);
});

it('sends nothing whose own condition is false, and delays no other request', async () => {
  const { paths, asked, send, sendWhile, answerFirst } = await guarded(() => true);
  let ours = true;
  const reached = asked();
  const first = sendWhile(() => ours, '/first');
  await reached;
  const waiting = sendWhile(() => ours, '/waiting').catch((error: unknown) => error);
  const other = asked();
  void send('/other').catch(() => undefined);
  ours = false;
  answerFirst();
  await (await first).body.dump();
  expect(await waiting).toBeInstanceOf(SendRefused);
  await other;
  expect(paths).toEqual(['/first', '/other']);
});

it('does not apply its condition to timers and listeners that a request starts', async () => {
  const { paths, asked, send, sendWhile, answerFirst } = await guarded(() => true);
  let ours = true;
  const reached = asked();
  const first = sendWhile(() => ours, '/first');
  // Armed while the condition applies, like a shared timer or listener.
  const later = first.then(() => send('/later'));
  await reached;
  ours = false;
  const again = asked();
  answerFirst();
  await (await first).body.dump();
  await again;
  void later.catch(() => undefined);
  expect(paths).toEqual(['/first', '/later']);
});
