import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Gateway } from '../tracking/gateway.ts';

/** The end of a task, as an event announces it. Milliseconds UTC. */
export interface End {
  /** When the gateway decided it. */
  readonly at: number;
  /** When the client had the event. */
  readonly knownAt: number;
}

/** Listens to the stream of events of a gateway. `ends`: by task id. */
export function endsOn({ url, apiKey }: Gateway, signal: AbortSignal) {
  const ends = new Map<string, End>();
  const listening = Promise.withResolvers<void>();
  const listen = async () => {
    const answer = await fetch(`${url}/v1/events`, {
      headers: { authorization: `Bearer ${apiKey}` },
      signal,
    });
    if (!answer.ok || !answer.body) throw new Error(`the stream was refused with ${answer.status}`);
    listening.resolve();
    let rest = '';
    for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
      const knownAt = Date.now();
      const events = (rest + piece).split('\n\n');
      rest = events.pop() ?? '';
      for (const event of events) read(event, knownAt);
    }
  };
  const read = (event: string, knownAt: number) => {
    const json = /^data: (.*)$/m.exec(event)?.[1];
    if (json === undefined || !/^event: video\.(?:succeeded|failed)$/m.test(event)) return;
    const { timestamp, data } = JSON.parse(json);
    ends.set(data.task_id, { at: Date.parse(timestamp), knownAt });
  };
  // It ends with the gateway.
  listen().catch(listening.reject);
  return { ends: ends as ReadonlyMap<string, End>, listening: listening.promise };
}

/** Connections that are opened at a time. */
const AT_ONCE = 200;

/** Holds queries open, each on a connection of its own, and repeats those that are answered. */
export async function openWaits(
  { url, apiKey }: Gateway,
  ids: readonly string[],
  count: number,
): Promise<Disposable & { readonly open: number }> {
  const { hostname: host, port } = new URL(url);
  const sockets: Socket[] = [];
  const plain = (n: number) =>
    `GET /v1/video/generations/${ids[n % ids.length]} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${apiKey}\r\n\r\n`;
  // Clients come at any time, so not all of them are answered at once.
  const request = (n: number) =>
    `GET /v1/video/generations/${ids[n % ids.length]}?wait=${30 + (n % 31)} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${apiKey}\r\n\r\n`;
  const hold = async (n: number) => {
    const socket = connect({ host, port: Number(port) });
    sockets.push(socket);
    await once(socket, 'connect');
    // Once it is answered, the gateway has accepted the connection: no more are opened than it takes.
    socket.write(plain(n));
    await once(socket, 'data');
    let task = n;
    socket
      .on('error', () => undefined)
      .on('data', (data) => {
        const text = String(data);
        // A query that is refused holds nothing.
        if (/^HTTP\/1\.1 (?!200)/.test(text)) return void socket.destroy();
        if (/"status":"(?:succeeded|failed)"/.test(text)) task += 1;
        if (text.includes('"task_id"')) socket.write(request(task));
      });
    socket.write(request(task));
  };
  for (let n = 0; n < count; n += AT_ONCE)
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - n) }, (_, k) => hold(n + k)));
  return {
    get open() {
      return sockets.filter(({ destroyed }) => !destroyed).length;
    },
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}
