import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { unlessGivenUp } from '../../../src/providers/http/unlessGivenUp.ts';

describe('what is waited for', () => {
  const GIVEN_UP = { reason: 'upstream_timeout' };

  it('is given, or fails, as it would', async () => {
    const { signal } = new AbortController();
    expect(await unlessGivenUp(Promise.resolve(1), signal)).toBe(1);
    await expect(unlessGivenUp(Promise.reject(new Error('no')), signal)).rejects.toThrow('no');
  });

  it('is given up with its caller, also one that has given up before', async () => {
    const caller = new AbortController();
    const waiting = unlessGivenUp(new Promise(() => undefined), caller.signal);
    caller.abort('enough');
    await expect(waiting).rejects.toMatchObject({ ...GIVEN_UP, cause: 'enough' });
    await expect(unlessGivenUp(new Promise(() => undefined), caller.signal)).rejects.toMatchObject(GIVEN_UP);
  });

  it('leaves nothing behind on a signal that lasts', async () => {
    const { signal } = new AbortController();
    await unlessGivenUp(Promise.resolve(1), signal);
    await new Promise((resolve) => setImmediate(resolve));
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});
