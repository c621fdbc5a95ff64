import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { Client } from 'pg';

/**
 * A simple pooler. In transaction mode (`share`) each client gets a session of the server for one
 * round of statements at a time, the most recently returned one; otherwise it keeps its first session.
 */
export async function createPooler(
  url: string,
  { sessions = 2, share = true } = {},
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const free: Session[] = await Promise.all(Array.from({ length: sessions }, () => openSession(url)));
  const all = [...free];
  const waiting: ((session: Session) => void)[] = [];
  const clients = new Set<Socket>();

  const take = (): Promise<Session> =>
    new Promise((resolve) => {
      const session = free.pop();
      if (session) resolve(session);
      else waiting.push(resolve);
    });
  function giveBack(session: Session): void {
    const next = waiting.shift();
    if (next) next(session);
    else free.push(session);
  }

  const server = createServer((socket) => {
    clients.add(socket);
    socket.on('error', () => undefined);
    let greeted = false;
    let session: Promise<Session> | undefined;
    let gathered = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      if (!greeted) {
        greeted = true;
        socket.write(GREETING);
        return;
      }
      gathered = Buffer.concat([gathered, bytes]);
      if (!endsRound(gathered)) return;
      const round = gathered;
      gathered = Buffer.alloc(0);
      session ??= take();
      void session.then((given) =>
        given.run(round, socket, () => {
          if (share) {
            session = undefined;
            giveBack(given);
          }
        }),
      );
    });
    socket.on('close', () => {
      clients.delete(socket);
      if (!share) void session?.then(giveBack);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const through = new URL(url);
  through.port = String(typeof address === 'object' && address ? address.port : 0);
  return {
    url: through.href,
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const client of clients) client.destroy();
      await Promise.all(all.map((session) => session.close()));
      await closed;
    },
  };
}

/** A session of the server, which carries rounds of statements of one client after another. */
interface Session {
  run(round: Buffer, client: Socket, done: () => void): void;
  close(): Promise<void>;
}

async function openSession(url: string): Promise<Session> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  // From here on this file reads and writes the bytes.
  const { stream } = client.connection;
  stream.removeAllListeners('data');
  return {
    run(round, to, done) {
      let answer = Buffer.alloc(0);
      const take = (bytes: Buffer) => {
        to.write(bytes);
        answer = Buffer.concat([answer, bytes]);
        if (!isReady(answer)) return;
        stream.off('data', take);
        done();
      };
      stream.on('data', take);
      stream.write(round);
    },
    async close() {
      stream.destroy();
    },
  };
}

/** Messages of the protocol: a letter, four bytes of length including themselves, the rest. */
function lastMessage(bytes: Buffer): { readonly type: string; readonly whole: boolean } {
  let type = '';
  let at = 0;
  while (at + 5 <= bytes.length) {
    type = String.fromCharCode(bytes[at] ?? 0);
    at += 1 + bytes.readUInt32BE(at + 1);
  }
  return { type, whole: at === bytes.length };
}

/** A simple query, or the sync that ends an extended one. */
const endsRound = (bytes: Buffer): boolean => {
  const { type, whole } = lastMessage(bytes);
  return whole && (type === 'Q' || type === 'S');
};

/** ReadyForQuery. */
const isReady = (bytes: Buffer): boolean => {
  const { type, whole } = lastMessage(bytes);
  return whole && type === 'Z';
};

const message = (type: string, body: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
};

/** AuthenticationOk, BackendKeyData with an invented process id, as in all poolers, and ReadyForQuery. */
const GREETING = Buffer.concat([
  message('R', Buffer.alloc(4)),
  message('K', Buffer.from([0x7f, 0, 0, 1, 0, 0, 0, 1])),
  message('Z', Buffer.from('I')),
]);
