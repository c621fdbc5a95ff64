import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { KIND_NAMES, nameOf, planRounds } from '../published/plan.ts';
import { type Outcome, report, wrongsOf } from '../published/verdict.ts';
import { createWire } from '../published/wire.ts';

describe('the plan', () => {
  const clients = ['cli', 'mcp'];
  const rounds = planRounds(24, clients, 'test');

  it('begins with a round without faults, and then has every kind twice for every client', () => {
    expect(rounds[0]).toBeUndefined();
    for (const client of clients) {
      const kinds = rounds.map((round) => nameOf(round?.get(client)));
      const counts = KIND_NAMES.map((kind) => kinds.filter((each) => each === kind).length);
      expect(counts).toEqual([1, ...Array(12).fill(2)]);
    }
  });

  it('lets the gateway fail for all clients in the same moment', () => {
    for (const round of rounds) {
      const kinds = new Set([...(round?.values() ?? [])].map(nameOf));
      if ([...kinds].some((kind) => kind.startsWith('gateway'))) expect(kinds.size).toBe(1);
    }
  });

  it('is the same for the same seed, and another one for another', () => {
    expect(planRounds(24, clients, 'test')).toEqual(rounds);
    expect(planRounds(24, clients, 'other')).not.toEqual(rounds);
  });
});

describe('the verdict', () => {
  const RIGHT: Outcome = {
    client: 'cli',
    kind: 'network_cut wait',
    exit: 0,
    repeats: 0,
    met: true,
    saved: Buffer.from('video'),
    stored: Buffer.from('video'),
    unplayable: undefined,
    tasks: 1,
    jobs: 1,
    rest: [],
  };

  it('finds nothing wrong with a whole file and one task', () => {
    expect(wrongsOf(RIGHT)).toEqual([]);
    expect(report([RIGHT])).toMatch(/network_cut wait +1\n[\s\S]*\n1 videos, 0 wrong$/);
  });

  it.each<[string, Partial<Outcome>]>([
    ['an exit code', { exit: 1 }],
    ['a client that hangs', { exit: 'no end' }],
    ['a fault that met nothing', { met: false }],
    ['no file', { saved: undefined }],
    ['half a file', { saved: Buffer.from('vid') }],
    ['another file', { saved: Buffer.from('movie') }],
    ['a gateway without the video', { stored: undefined }],
    ['a file that no player plays', { unplayable: 'truncated' }],
    ['no task', { tasks: 0 }],
    ['two tasks', { tasks: 2 }],
    ['two jobs', { jobs: 2 }],
    ['a file that is left over', { rest: ['.fox.mp4.part'] }],
  ])('finds %s', (_what, difference) => {
    const wrong = { ...RIGHT, ...difference };
    expect(wrongsOf(wrong)).toHaveLength(1);
    expect(report([RIGHT, wrong])).toMatch(/network_cut wait +2 \(1 wrong\)\n[\s\S]*\n2 videos, 1 wrong$/);
  });
});

describe('the wire', () => {
  const BODY = 'x'.repeat(50_000);

  /** A server that answers everything with `BODY`, a wire in front of it, and what the server was asked for. */
  async function wired() {
    const asked: string[] = [];
    const server = createServer(({ url = '' }, response) => {
      asked.push(url);
      response.end(BODY);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const wire = await createWire((server.address() as AddressInfo).port);
    onTestFinished(async () => {
      await wire.close();
      server.close();
    });
    const ask = async (path: string): Promise<IncomingMessage> => {
      const request = get(`${wire.url}${path}`, { agent: false });
      // Also when its answer is cut off, which the answer tells.
      request.on('error', () => undefined);
      const [answer] = await once(request, 'response');
      return answer;
    };
    return { wire, asked, ask };
  }

  it('forwards', async () => {
    const { ask } = await wired();
    expect(await text(await ask('/'))).toBe(BODY);
  });

  it('holds a request back, so that the server never knows of one that is cut', async () => {
    const { wire, asked, ask } = await wired();
    const reached = wire.trap({ request: /^GET \/held /, hold: 'request' });
    expect(await text(await ask('/other'))).toBe(BODY);
    const answer = ask('/held');
    const failed = expect(answer).rejects.toThrow(/ECONNRESET|hang up/);
    await reached;
    await wire.cut();
    await failed;
    await wire.mend();
    expect(await text(await ask('/again'))).toBe(BODY);
    expect(asked).toEqual(['/other', '/again']);
  });

  it('holds an answer after some bytes, and lets go of it', async () => {
    const { wire, ask } = await wired();
    const reached = wire.trap({ request: /^GET \/held /, hold: { answerAfter: 20_000 } });
    const answer = await ask('/held');
    let received = 0;
    answer.on('data', (piece: Buffer) => {
      received += piece.length;
    });
    await reached;
    expect(received).toBeLessThanOrEqual(20_000);
    wire.release();
    await once(answer, 'end');
    expect(received).toBe(BODY.length);
  });

  it('tells of a request that it does not hold, and cuts an answer in the middle', async () => {
    const { wire, ask } = await wired();
    const passed = wire.trap({ request: /^GET \/told /, hold: 'nothing' });
    expect(await text(await ask('/told'))).toBe(BODY);
    await passed;
    const reached = wire.trap({ request: /^GET \/held /, hold: { answerAfter: 20_000 } });
    const answer = await ask('/held');
    const broken = expect(text(answer)).rejects.toThrow();
    await reached;
    await wire.cut();
    await broken;
    await expect(ask('/refused')).rejects.toThrow(/ECONNREFUSED/);
  });
});
