import { describe, expect, it } from 'vitest';
import type { UpstreamResult } from '../../../src/tasks/task.ts';
import { readAll } from '../../support/http/readAll.ts';
import { sending } from '../../support/sending.ts';
import { aPrompt, arkWorld, handle, signal } from './world.ts';

const DAY_MS = 24 * 3_600_000;

async function finished(prompt: string) {
  const { simulators, provider } = await arkWorld();
  const { upstreamId } = await provider.submit(aPrompt(prompt), sending(signal()));
  simulators.finishAll();
  const result = async (): Promise<UpstreamResult> => {
    const answer = await provider.poll(handle(upstreamId), signal());
    if (answer.state !== 'succeeded') throw new Error(answer.state);
    return answer.result;
  };
  const open = (from: UpstreamResult) => provider.open(handle(upstreamId), from, 0, signal());
  return { simulators, result, open };
}

describe('a result', () => {
  it('is downloaded by its link, without the key', async () => {
    const { simulators, result, open } = await finished('a boat');
    const found = await result();
    expect(new URL(found.ref).origin).toBe(simulators.upstream('ark').storageUrl);
    await readAll((await open(found)).stream);
    const [download] = simulators.ledger.requests({ operation: 'download' });
    expect(download).toMatchObject({ status: 200, account: undefined });
  });

  it('has the expiry of its link, a day after the end of the task', async () => {
    const { simulators, result } = await finished('a boat');
    const [job] = simulators.upstream('ark').jobs.all();
    const { expiresAt = 0 } = await result();
    expect(Math.abs(expiresAt - (job?.endedAt ?? 0) - DAY_MS)).toBeLessThan(2000);
  });

  it('is lost once its link has expired, or if the bytes are gone', async () => {
    const { simulators, result, open } = await finished('a boat');
    const found = await result();
    simulators.advance(DAY_MS + 2000);
    await expect(open(found)).rejects.toMatchObject({ reason: 'result_lost' });
    const gone = await finished('a boat [gone]');
    await expect(gone.open(await gone.result())).rejects.toMatchObject({ reason: 'result_lost' });
  });
});
