// Downloads for the bench in a process of its own, into one buffer: all at once, and only counted.
import { connect } from 'node:net';
import { serveParent } from '../../chaos/shared/rpc.ts';

const SINK = Buffer.alloc(2 ** 20);

function download(url: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const { hostname, port, pathname, search } = new URL(url);
  const lines = Object.entries({ host: hostname, connection: 'close', ...headers });
  return new Promise((resolve, reject) => {
    let bytes = 0;
    let head = '';
    const socket = connect({
      host: hostname,
      port: Number(port),
      onread: {
        buffer: SINK,
        callback(count) {
          if (bytes === 0) head = SINK.toString('latin1', 0, Math.min(count, 1000));
          bytes += count;
          return true;
        },
      },
    });
    socket.on('error', reject);
    socket.on('close', () =>
      head.startsWith('HTTP/1.1 200') ? resolve(bytes) : reject(new Error(`${url}: ${head}`)),
    );
    socket.write(
      `GET ${pathname}${search} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
    );
  });
}

const calls = {
  /** Downloads each URL, all at once. Returns the bytes that came. */
  async download(urls: readonly string[], headers: Readonly<Record<string, string>>): Promise<number> {
    const all = await Promise.all(urls.map((url) => download(url, headers)));
    return all.reduce((sum, bytes) => sum + bytes, 0);
  },
};
export type ClientCalls = typeof calls;

serveParent(calls, async () => undefined);
