import { probe } from '@onetake/video';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RunningToy, startToy } from '../support/runningToy.ts';

let running: RunningToy;

beforeEach(async () => {
  running = await startToy();
});
afterEach(() => running.close());

async function linkOf(prompt: string): Promise<string> {
  const id = await running.submit(prompt);
  running.advance(3_600_000);
  return (await running.poll(id)).url ?? '';
}

describe('results', () => {
  it('are real videos, each different from all others', async () => {
    const bytes = await Promise.all(
      ['one', 'one', 'two [short]'].map(async (prompt) =>
        Buffer.from(await (await fetch(await linkOf(prompt))).arrayBuffer()),
      ),
    );
    const [first, second, short] = bytes;
    expect(await probe(first ?? Buffer.alloc(0))).toEqual({
      width: 320,
      height: 180,
      seconds: 2,
      fps: 24,
      codecs: ['h264'],
    });
    expect((await probe(short ?? Buffer.alloc(0))).seconds).toBe(1);
    expect(first?.equals(second ?? Buffer.alloc(0))).toBe(false);
    // The index comes before the media data, so the video is playable while it loads.
    expect(first?.indexOf('moov')).toBeLessThan(first?.indexOf('mdat') ?? 0);
  });

  it('come in ranges', async () => {
    const url = await linkOf('a boat');
    const whole = Buffer.from(await (await fetch(url)).arrayBuffer());
    const part = await fetch(url, { headers: { range: 'bytes=100-199' } });
    expect(part.status).toBe(206);
    expect(part.headers.get('content-range')).toBe(`bytes 100-199/${whole.length}`);
    expect(Buffer.from(await part.arrayBuffer())).toEqual(whole.subarray(100, 200));
    const tail = await fetch(url, { headers: { range: 'bytes=-5' } });
    expect(Buffer.from(await tail.arrayBuffer())).toEqual(whole.subarray(-5));
    expect((await fetch(url, { headers: { range: `bytes=${whole.length}-` } })).status).toBe(416);
  });

  it('open only by their signed link, until it expires', async () => {
    const url = await linkOf('a boat');
    const forged = url.replace(/Signature=./, (start) => start.replace(/.$/, (c) => (c === '0' ? '1' : '0')));
    expect((await fetch(forged)).status).toBe(403);
    expect((await fetch(url, { headers: { authorization: 'Bearer x' } })).status).toBe(400);
    expect((await fetch(url)).status).toBe(200);
    running.advance(86_400_000);
    expect(await (await fetch(url)).text()).toBe('expired');
  });

  it('are gone if the marker says so', async () => {
    expect((await fetch(await linkOf('a boat [gone]'))).status).toBe(404);
  });

  it('are gone if their job has lost them, and no others', async () => {
    const [kept, lost] = [await linkOf('a boat'), await linkOf('a ship')];
    const job = running.toy.jobs.all().find(({ prompt }) => prompt === 'a ship');
    if (job) running.toy.jobs.loseResult(job);
    expect([(await fetch(kept)).status, (await fetch(lost)).status]).toEqual([200, 404]);
  });
});
