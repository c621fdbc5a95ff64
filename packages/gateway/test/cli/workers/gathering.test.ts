import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createGathering } from '../../../src/cli/workers/gathering.ts';
import type { ToWorker } from '../../../src/cli/workers/messages.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Three workers: the third does not serve. */
function world() {
  const asked: { number: number; request: number }[] = [];
  const replies: ToWorker[] = [];
  const gathering = createGathering(() =>
    [1, 2, 3].map((number) => ({
      number,
      restarts: number === 3 ? 4 : 0,
      send:
        number === 3
          ? undefined
          : (message) => {
              if (message.type === 'metrics') asked.push({ number, request: message.request });
            },
    })),
  );
  return { gathering, asked, replies, reply: (message: ToWorker) => void replies.push(message) };
}

const snapshotOf = (name: string) => [{ name, values: [] }];
/** The values of `onetake_worker_up`, by worker. */
const upOf = (reply: ToWorker | undefined) =>
  reply?.type === 'gathered' ? reply.snapshots.at(-1)?.[0] : reply;
const up = (...values: number[]) => ({
  name: 'onetake_worker_up',
  type: 'gauge',
  help: expect.any(String),
  aggregator: 'sum',
  values: values.map((value, index) => ({ labels: { worker: String(index + 1) }, value })),
});

it('answers once all that serve have answered, and says which do', () => {
  const { gathering, asked, replies, reply } = world();
  gathering.gather(7, reply);
  expect(asked.map(({ number }) => number)).toEqual([1, 2]);
  const request = asked[0]?.request ?? 0;
  gathering.answered(2, { type: 'metrics', request, snapshot: snapshotOf('two') });
  expect(replies).toEqual([]);
  gathering.answered(1, { type: 'metrics', request, snapshot: snapshotOf('one') });
  expect(replies).toEqual([
    expect.objectContaining({
      type: 'gathered',
      request: 7,
      snapshots: [snapshotOf('two'), snapshotOf('one'), expect.anything()],
    }),
  ]);
  expect(upOf(replies[0])).toEqual(up(1, 1, 0));
  vi.runAllTimers();
  expect(replies).toHaveLength(1);
});

it('leaves out a worker that is stuck, and takes its late answer for no other request', () => {
  const { gathering, asked, replies, reply } = world();
  gathering.gather(1, reply);
  const request = asked[0]?.request ?? 0;
  gathering.answered(1, { type: 'metrics', request, snapshot: snapshotOf('one') });
  vi.runAllTimers();
  expect(upOf(replies[0])).toEqual(up(1, 0, 0));
  gathering.gather(2, reply);
  gathering.answered(2, { type: 'metrics', request, snapshot: snapshotOf('late') });
  vi.runAllTimers();
  expect(replies).toHaveLength(2);
  expect(upOf(replies[1])).toEqual(up(0, 0, 0));
});
