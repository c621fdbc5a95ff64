import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { TestGateway } from '../../../../packages/client/test/support/gateway.ts';
import type { Fault } from '../../../../packages/client/test/support/proxy.ts';
import type { ReferenceServer } from '../../../../packages/client/test/support/reference.ts';
import type { VideoServer } from '../../../../packages/client/test/support/videoServer.ts';

interface Servers {
  readonly gateway: TestGateway;
  readonly reference: ReferenceServer;
  readonly video: VideoServer;
}

/** What becomes of requests that contain `match`: of the first `times` ones, or of all. */
interface FaultRule {
  readonly match: string;
  readonly times?: number;
  readonly fault: Fault;
}

/** How often held videos are finished: a job may not have begun yet. Milliseconds. */
const FINISH_MS = 200;

/** Lets tests in another process control the servers of this one: `POST /<command>`, answered when it is done. */
export async function startControl({ gateway, reference, video }: Servers) {
  const { bytes } = video;
  let finishing: ReturnType<typeof setInterval> | undefined;

  const commands: Readonly<Record<string, (body: never) => unknown>> = {
    /** As before each test. */
    reset() {
      clearInterval(finishing);
      gateway.proxy.fault = () => undefined;
      gateway.proxy.seen.length = 0;
      Object.assign(reference, {
        statuses: ['queued', 'in_progress', 'succeeded'],
        headers: {},
        strict: false,
        links: true,
      });
      reference.seen.length = 0;
      Object.assign(video, { bytes, limits: [], headers: {} });
      video.ranges.length = 0;
    },
    stop: () => gateway.stop(),
    start: () => gateway.start(),
    cut: () => gateway.proxy.cut(),
    finish: () => gateway.finish(),
    finishing() {
      finishing = setInterval(gateway.finish, FINISH_MS);
    },
    fault({ match, times = Number.POSITIVE_INFINITY, fault }: FaultRule) {
      let left = times;
      gateway.proxy.fault = (request) => (request.includes(match) && left-- > 0 ? fault : undefined);
    },
    seen: () => gateway.proxy.seen,
    reference: (state: Partial<ReferenceServer>) => void Object.assign(reference, state),
    referenceSeen: () => reference.seen,
    /** A header that is null is left out. */
    video: (state: Partial<Pick<VideoServer, 'limits' | 'headers'>>) => void Object.assign(video, state),
    otherVideo() {
      video.bytes = Buffer.from(bytes).reverse();
    },
    emptyVideo() {
      video.bytes = Buffer.alloc(0);
    },
    videoCut: () => video.cut(),
    videoRanges: () => video.ranges.map((range) => range ?? null),
  };

  async function answer(request: IncomingMessage): Promise<unknown> {
    const command = commands[request.url?.slice(1) ?? ''];
    if (!command) throw new Error(`There is no command ${request.url}`);
    return command((await json(request)) as never);
  }

  const server = createServer((request, response) => {
    answer(request).then(
      (result) => response.end(JSON.stringify(result ?? null)),
      (error) => response.writeHead(500).end(String(error)),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      clearInterval(finishing);
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
