import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createTcpSwitch } from '../../scripts/servers/tcpSwitch.ts';
import { createApiClient } from '../clients/http.ts';
import { startLoadBalancer } from '../system/loadBalancer.ts';

/** An echo server, and a switch in front of it. */
async function echoBehindSwitch() {
  const server = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const tcpSwitch = await createTcpSwitch((server.address() as AddressInfo).port);
  onTestFinished(async () => {
    await tcpSwitch.close();
    server.close();
  });
  const dial = (): Socket => {
    const socket = connect(tcpSwitch.port, '127.0.0.1');
    socket.on('error', () => undefined);
    onTestFinished(() => void socket.destroy());
    return socket;
  };
  return { tcpSwitch, dial };
}

async function said(socket: Socket): Promise<string> {
  const [data] = await once(socket, 'data');
  return String(data);
}

it('forwards while it is open, and knows its own ports', async () => {
  const { tcpSwitch, dial } = await echoBehindSwitch();
  const socket = dial();
  socket.write('hello');
  expect(await said(socket)).toBe('hello');
  expect(tcpSwitch.outgoing.size).toBe(1);
});

it('resets connections when it is cut, refuses new ones, and forwards again', async () => {
  const { tcpSwitch, dial } = await echoBehindSwitch();
  const socket = dial();
  socket.write('hello');
  await said(socket);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await tcpSwitch.set('cut');
  await closed;
  const [error] = await once(dial(), 'error');
  expect(error).toMatchObject({ code: 'ECONNREFUSED' });

  await tcpSwitch.set('open');
  const next = dial();
  next.write('again');
  expect(await said(next)).toBe('again');
});

it('also closes a connection that its server is closing when it is cut', async () => {
  const server = createServer((socket) => socket.on('error', () => undefined).end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const tcpSwitch = await createTcpSwitch((server.address() as AddressInfo).port);
  onTestFinished(() => tcpSwitch.close());
  const { end } = Socket.prototype;
  const ending = vi.spyOn(Socket.prototype, 'end').mockImplementation(function (this: Socket, ...given) {
    if (this.localPort === tcpSwitch.port) process.nextTick(() => void tcpSwitch.set('cut'));
    return Reflect.apply(end, this, given);
  });
  onTestFinished(() => void ending.mockRestore());
  const client = connect({ port: tcpSwitch.port, host: '127.0.0.1', allowHalfOpen: true }).resume();
  const writing = setInterval(() => client.write('is anybody there?'), 5);
  onTestFinished(() => clearInterval(writing));
  await new Promise((resolve) => client.once('error', resolve));
});

it('holds every byte as a black hole, also on new connections, and delivers them late', async () => {
  const { tcpSwitch, dial } = await echoBehindSwitch();
  const old = dial();
  old.write('hello');
  await said(old);
  await tcpSwitch.set('black_hole');
  const heard: string[] = [];
  const fresh = dial();
  for (const socket of [old, fresh]) socket.on('data', (data) => heard.push(String(data)));
  await once(fresh, 'connect');
  old.write('old');
  fresh.write('fresh');
  // In the meantime a connection through another switch makes two round trips.
  const other = await echoBehindSwitch();
  const beside = other.dial();
  beside.write('beside');
  await said(beside);
  expect(heard).toEqual([]);
  await tcpSwitch.set('open');
  await expect.poll(() => heard.toSorted()).toEqual(['fresh', 'old']);
});

/** A node that is ready, and answers all other requests as the test says. */
async function node(answer: RequestListener) {
  const seen: string[] = [];
  const server = createHttpServer((request, response) => {
    if (request.url === '/readyz') return void response.end('{}');
    seen.push(`${request.method} ${request.url}`);
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { seen, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const breaks: RequestListener = (request) => void request.socket.resetAndDestroy();
const works: RequestListener = async (request, response) => void response.end(`got ${await text(request)}`);

async function balancerOver(...origins: string[]) {
  const balancer = await startLoadBalancer();
  onTestFinished(() => balancer.close());
  for (const origin of origins) balancer.add(origin);
  return balancer;
}

it('uses ready nodes in turn', async () => {
  const [one, two] = [await node(works), await node(works)];
  const balancer = await balancerOver(one.origin, two.origin);
  await expect.poll(() => balancer.serves(one.origin) && balancer.serves(two.origin)).toBe(true);
  for (let round = 0; round < 6; round++) await fetch(`${balancer.address}/`);
  expect([one.seen.length, two.seen.length]).toEqual([3, 3]);
});

it('repeats a broken GET at another node, and never a POST that was sent', async () => {
  const [broken, working] = [await node(breaks), await node(works)];
  const balancer = await balancerOver(broken.origin, working.origin);
  await expect.poll(() => balancer.serves(broken.origin) && balancer.serves(working.origin)).toBe(true);
  for (let round = 0; round < 4; round++) {
    expect((await fetch(`${balancer.address}/get`)).status).toBe(200);
  }
  const posts = [];
  for (let round = 0; round < 4; round++) {
    posts.push((await fetch(`${balancer.address}/post`, { method: 'POST', body: 'x' })).status);
  }
  expect(posts.toSorted()).toEqual([200, 200, 502, 502]);
  const sent = [...broken.seen, ...working.seen].filter((request) => request.startsWith('POST'));
  expect(sent.length).toBe(4);
  expect(balancer.failures.map(({ method }) => method)).toEqual(['POST', 'POST']);
});

it('gives a POST that was never sent to the next node', async () => {
  const gone = await createTcpSwitch(1);
  await gone.close();
  const working = await node(works);
  const balancer = await balancerOver(`http://127.0.0.1:${gone.port}`, working.origin);
  for (let round = 0; round < 4; round++) {
    const answer = await fetch(`${balancer.address}/`, { method: 'POST', body: 'x' });
    expect(await answer.text()).toBe('got x');
  }
  expect(working.seen.length).toBe(4);
});

it('abandons a request in the middle, and counts that separately from failures', async () => {
  const silent = await node(() => undefined);
  const api = createApiClient(silent.origin, 'sk-test');
  onTestFinished(() => api.close());
  const reply = await api.call('POST', '/v1/video/generations', { body: {}, hangUpMs: 20 });
  expect(reply.status).toBeUndefined();
  await api.download('/content', 20);
  expect(api.hangUps).toBe(2);
  expect([...api.troubles]).toEqual([]);
});
