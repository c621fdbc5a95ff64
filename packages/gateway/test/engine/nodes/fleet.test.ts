import { describe, expect, it } from 'vitest';
import type { EngineParts } from '../../../src/engine/parts.ts';
import type { Account } from '../../../src/providers/account.ts';
import { anAccount } from '../../support/engineParts.ts';
import { eventually } from '../../support/eventually.ts';
import { createNodes } from '../../support/nodes/world.ts';
import { createRecordingProvider } from '../../support/recordingProvider.ts';
import type { RecordingUpstream } from '../../support/servers/recordingUpstream.ts';

/** A member of a fleet, with its places. */
function aMember(upstream: RecordingUpstream, id: string, inFlight: number, isRemoved = false): Account {
  const provider = createRecordingProvider({ upstream, account: id });
  const member = { fleet: 'gpus', server: `http://${id}`, lostAfterMs: 600_000, isRemoved };
  return { ...anAccount(provider, { id, limits: { inFlight, minPollIntervalMs: 250 } }), member };
}

const removedGetNothing: Partial<EngineParts> = { servedBy: ({ member }) => !member?.isRemoved };

describe('a fleet of several nodes', () => {
  it('never has more tasks at a server than its places, over all nodes', async () => {
    const nodes = await createNodes();
    const places = { 'gpus.a': 1, 'gpus.b': 3 };
    const change = () => ({
      accounts: Object.entries(places).map(([id, most]) => aMember(nodes.upstream, id, most)),
    });
    const all = [await nodes.join(change), await nodes.join(change), await nodes.join(change)];
    const tasks = await Promise.all(
      Array.from({ length: 24 }, (_, n) => all[n % all.length]?.submit(`boat ${n}`)),
    );
    for (const task of tasks) expect((await nodes.ends(task?.id ?? '')).phase).toBe('succeeded');
    // A job is in flight from its submission until the poll that found its end.
    const inFlight = new Map<string, Set<string>>();
    const most = new Map<string, number>();
    for (const { call, account, upstreamId = '', outcome } of nodes.upstream.records) {
      const jobs = inFlight.get(account) ?? new Set();
      inFlight.set(account, jobs);
      if (call === 'submit') jobs.add(upstreamId);
      if (call === 'poll' && outcome.includes('succeeded')) jobs.delete(upstreamId);
      most.set(account, Math.max(most.get(account) ?? 0, jobs.size));
    }
    for (const [id, limit] of Object.entries(places)) expect(most.get(id)).toBeLessThanOrEqual(limit);
    // All places were used.
    expect(most).toEqual(new Map(Object.entries(places)));
  });

  it('finishes the jobs of a member that another node has, and this one has not', async () => {
    let over = false;
    const nodes = await createNodes({ behaviour: () => ({ answers: [over ? 'succeeded' : 'in_progress'] }) });
    const first = await nodes.join(() => ({
      accounts: [aMember(nodes.upstream, 'gpus.new', 4)],
      ...removedGetNothing,
    }));
    const tasks = await Promise.all(['one', 'two'].map((prompt) => first.submit(prompt)));
    for (const { id } of tasks) await nodes.until(id, ({ phase }) => phase === 'running');
    const opened: [string, string][] = [];
    const second = await nodes.join(() => ({
      accounts: [aMember(nodes.upstream, 'gpus.old', 4)],
      ...removedGetNothing,
      async openFormer(id, server) {
        opened.push([id, server]);
        return aMember(nodes.upstream, id, 4, true);
      },
    }));
    await first.kill();
    for (const { id } of tasks) await nodes.until(id, ({ owner }) => owner === second.cluster.node);
    const mine = await second.submit('three');
    await nodes.until(mine.id, ({ phase }) => phase === 'running');
    over = true;
    for (const { id } of tasks) {
      const ended = await nodes.ends(id);
      expect(ended).toMatchObject({
        phase: 'succeeded',
        attempt: { number: 1, accountId: 'gpus.new', server: 'http://gpus.new' },
      });
    }
    expect((await nodes.ends(mine.id)).attempt?.accountId).toBe('gpus.old');
    expect(opened[0]).toEqual(['gpus.new', 'http://gpus.new']);
    expect(nodes.upstream.count('submit')).toBe(3);
  });

  it('uses a member that is added while it runs at once', async () => {
    const nodes = await createNodes({ behaviour: () => ({ answers: ['in_progress'] }) });
    const accounts = [aMember(nodes.upstream, 'gpus.a', 1)];
    const node = await nodes.join(() => ({ accounts, ...removedGetNothing }));
    const tasks = await Promise.all(['one', 'two', 'three'].map((prompt) => node.submit(prompt)));
    await eventually(() => expect(nodes.upstream.count('submit')).toBe(1));
    accounts.push(aMember(nodes.upstream, 'gpus.b', 1));
    node.engine.membersChanged();
    await eventually(() => expect(nodes.upstream.count('submit')).toBe(2));
    const running = await Promise.all(tasks.map(({ id }) => node.store.task(id)));
    const used = running.flatMap((task) => task?.attempt?.accountId ?? []);
    expect(used.sort()).toEqual(['gpus.a', 'gpus.b']);
  });
});
