import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it, onTestFinished, vi } from 'vitest';
import { createHeartbeat, MOST_UNANSWERED, PING_MS } from '../../../src/cli/workers/heartbeat.ts';
import { tempFolder } from '../../support/tempFolder.ts';

afterEach(() => void vi.useRealTimers());

it('a worker that answers is never silent, and one that stops answering is so once, after as many pings', () => {
  vi.useFakeTimers();
  const silent = vi.fn();
  let answers = true;
  const ping = vi.fn(() => {
    if (answers) heartbeat.heard();
  });
  const heartbeat = createHeartbeat(ping, silent);
  // It has not said anything yet: it may take long to start.
  vi.advanceTimersByTime(PING_MS * 100);
  expect(ping).not.toHaveBeenCalled();

  heartbeat.heard();
  vi.advanceTimersByTime(PING_MS * 100);
  expect(ping).toHaveBeenCalledTimes(100);
  answers = false;
  vi.advanceTimersByTime(PING_MS * MOST_UNANSWERED);
  expect(silent).not.toHaveBeenCalled();
  vi.advanceTimersByTime(PING_MS);
  expect(silent).toHaveBeenCalledOnce();
  vi.advanceTimersByTime(PING_MS * 100);
  expect(silent).toHaveBeenCalledOnce();
});

it('a worker that answers late, or has ended, is not silent', () => {
  vi.useFakeTimers();
  const silent = vi.fn();
  const heartbeat = createHeartbeat(() => undefined, silent);
  heartbeat.heard();
  for (let times = 0; times < 3; times++) {
    vi.advanceTimersByTime(PING_MS * MOST_UNANSWERED);
    heartbeat.heard();
  }
  heartbeat.end();
  vi.advanceTimersByTime(PING_MS * 100);
  expect(silent).not.toHaveBeenCalled();
});

it('a process that was stopped is silent, and can be killed', async () => {
  const script = join(await tempFolder(), 'answers.mjs');
  await writeFile(script, "process.on('message', () => process.send('alive')); process.send('alive');");
  const child = fork(script);
  onTestFinished(() => void child.kill('SIGKILL'));
  const heartbeat = createHeartbeat(
    () => child.send('ping'),
    () => child.kill('SIGKILL'),
    { everyMs: 20, most: 50 },
  );
  onTestFinished(() => heartbeat.end());
  child.on('message', () => heartbeat.heard());
  await once(child, 'message');
  await once(child, 'message');
  child.kill('SIGSTOP');
  const [, signal] = await once(child, 'exit');
  expect(signal).toBe('SIGKILL');
});
