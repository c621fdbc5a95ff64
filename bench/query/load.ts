import { connect } from 'node:net';

/** What a load asks, and how. */
export interface Load {
  readonly port: number;
  /** Each is asked in turn. */
  readonly paths: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  /** The status that every answer must have. */
  readonly status: number;
  readonly requests: number;
  readonly connections: number;
  /** Requests in progress on each connection. */
  readonly pipelining: number;
}

const END_OF_HEAD = '\r\n\r\n';
const LAST_CHUNK = '\r\n0\r\n\r\n';

/**
 * Sends requests over connections that are kept, and resolves when all are answered, with how long each answer took its connection, in
 * milliseconds. Plain sockets, so that the client takes less time of the machine than the servers that are measured.
 */
export async function runLoad(load: Load): Promise<number[]> {
  const asked: Asked = { next: 0, took: [] };
  await Promise.all(Array.from({ length: load.connections }, () => oneConnection(load, asked)));
  return asked.took;
}

/** What all connections of a load share. */
interface Asked {
  next: number;
  readonly took: number[];
}

function oneConnection(load: Load, asked: Asked): Promise<void> {
  const { port, paths, headers, status, requests, pipelining } = load;
  const head = `${Object.entries({ host: `127.0.0.1:${port}`, connection: 'keep-alive', ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let waiting = 0;
    let rest = '';
    let since = performance.now();
    const ask = () => {
      let text = '';
      for (; waiting < pipelining && asked.next < requests; waiting++)
        text += `GET ${paths[asked.next++ % paths.length]} HTTP/1.1\r\n${head}`;
      if (text !== '') socket.write(text, 'latin1');
      else if (waiting === 0) socket.end(resolve);
    };
    socket.once('connect', ask);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the server closed a connection')));
    socket.on('data', (chunk) => {
      rest += chunk.toString('latin1');
      try {
        const { answers, end } = answersIn(rest, status);
        if (answers === 0) return;
        waiting -= answers;
        const now = performance.now();
        asked.took.push(...new Array(answers).fill(now - since));
        since = now;
        rest = rest.slice(end);
        ask();
      } catch (error) {
        reject(error);
        socket.destroy();
      }
    });
  });
}

/** How many answers a text begins with, and where they end. */
function answersIn(text: string, status: number): { answers: number; end: number } {
  let [answers, end] = [0, 0];
  for (;;) {
    const length = lengthOf(text, end, status);
    if (length === undefined) return { answers, end };
    answers += 1;
    end += length;
  }
}

/** The length of the answer that begins at `from`; undefined if it is not all there. */
function lengthOf(text: string, from: number, status: number): number | undefined {
  const end = text.indexOf(END_OF_HEAD, from);
  if (end === -1) return undefined;
  const head = text.slice(from, end);
  if (head.slice(9, 12) !== String(status))
    throw new Error(`expected ${status}: ${text.slice(from, end + 500)}`);
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
    const last = text.indexOf(LAST_CHUNK, end + 2);
    return last === -1 ? undefined : last + LAST_CHUNK.length - from;
  }
  const body = status === 304 ? 0 : Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? Number.NaN);
  if (Number.isNaN(body)) throw new Error(`an answer has no length: ${head}`);
  const length = head.length + END_OF_HEAD.length + body;
  return from + length <= text.length ? length : undefined;
}

/** As a process of its own, it runs the loads that its parent sends, and tells when each has ended. */
if (import.meta.main) {
  process.on('message', (load: Load) => {
    runLoad(load).then(
      (took) => process.send?.({ took }),
      (error) => process.send?.({ error: String(error) }),
    );
  });
  process.once('disconnect', () => process.exit());
}
