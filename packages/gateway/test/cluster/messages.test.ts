import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/cluster/cluster.ts';
import { decodeMessage, encodeMessage, MAX_PAYLOAD_BYTES } from '../../src/cluster/messages.ts';
import { newTaskId } from '../../src/tasks/ids.ts';

const id = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 });
const whole = fc.nat();
const ms = fc.double({ min: 0, max: 1e9, noNaN: true }).map((value) => value + 0);
const list = { maxLength: 400 };
const kinds: Record<Message['kind'], fc.Arbitrary<Message>> = {
  moved: fc.record(
    {
      kind: fc.constant('moved'),
      tasks: fc.array(fc.tuple(id, whole), list),
      places: fc.array(fc.tuple(id, whole), { maxLength: 5 }),
    },
    { requiredKeys: ['kind', 'tasks'] },
  ),
  keys: fc.record({ kind: fc.constant('keys') }),
  went_back: fc.record({ kind: fc.constant('went_back') }),
  progress: fc.record({
    kind: fc.constant('progress'),
    tasks: fc.array(fc.tuple(id, fc.option(fc.nat(100)), ms), list),
  }),
  given: fc.record({ kind: fc.constant('given'), to: id, tasks: fc.array(id, list) }),
  account: fc.record(
    {
      kind: fc.constant('account'),
      account: id,
      failures: whole,
      waitMs: ms,
      reason: fc.constantFrom('auth_failed', 'rate_limited'),
    },
    { requiredKeys: ['kind', 'account', 'failures', 'waitMs'] },
  ),
  waits: fc.record({ kind: fc.constant('waits'), account: id }),
  retry: fc.record({ kind: fc.constant('retry'), account: id }),
  leaving: fc.record({ kind: fc.constant('leaving') }),
  hint: fc.record({ kind: fc.constant('hint'), account: id, upstreamId: fc.string({ unit: 'grapheme' }) }),
};

describe('a message between nodes', () => {
  it.each(Object.entries(kinds))('of kind %s arrives as it was sent', (_kind, messages) => {
    fc.assert(
      fc.property(id, messages, (from, message) => {
        const payloads = encodeMessage(from, message);
        for (const payload of payloads) {
          expect(Buffer.byteLength(payload)).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
          expect(decodeMessage(payload)?.from).toBe(from);
        }
        const told = payloads.map((payload) => decodeMessage(payload)?.message);
        if (!('tasks' in message)) {
          expect(told).toEqual([message]);
          return;
        }
        // A list may arrive in several messages, which together have everything in order; all other fields are equal.
        const { tasks, ...rest } = message;
        const lists = told.map((part) => (part && 'tasks' in part ? [...part.tasks] : [undefined]));
        expect(lists.flat()).toEqual(tasks);
        for (const part of told) expect(part).toMatchObject(rest);
      }),
      { numRuns: 50 },
    );
  });

  it('is split into as few payloads as its tasks need', () => {
    const tasks = Array.from({ length: 1000 }, () => [newTaskId(), 3] as const);
    // An id of 38 characters with quotes, brackets, version and commas: 46 bytes per task, 170 in a payload.
    expect(encodeMessage('node-1', { kind: 'moved', tasks })).toHaveLength(6);
  });

  it('without entries is not sent', () => {
    expect(encodeMessage('node-1', { kind: 'given', to: 'node-2', tasks: [] })).toEqual([]);
  });

  it('is refused if it is too long and cannot be split', () => {
    const message = { kind: 'hint', account: 'a', upstreamId: 'x'.repeat(8000) } as const;
    expect(() => encodeMessage('node-1', message)).toThrow(/which is too long/);
  });

  it.each([
    ['no JSON', 'moved'],
    ['no object', '3'],
    ['null', 'null'],
    ['a kind of a later version', '{"from":"node-1","kind":"rejoiced"}'],
    ['no sender', '{"kind":"keys"}'],
    ['an invalid version', '{"from":"node-1","kind":"moved","tasks":[["video_1","2"]]}'],
    ['half a pair', '{"from":"node-1","kind":"moved","tasks":[["video_1"]]}'],
    ['a wait below zero', '{"from":"node-1","kind":"account","account":"a","failures":1,"waitMs":-5}'],
  ])('that has %s is ignored', (_what, payload) => {
    expect(decodeMessage(payload)).toBeUndefined();
  });

  it('may have as many bytes as a payload holds, and no more', () => {
    const hint = (length: number) =>
      ({ kind: 'hint', account: 'a', upstreamId: 'x'.repeat(length) }) as const;
    const [empty = ''] = encodeMessage('node-1', hint(0));
    const room = MAX_PAYLOAD_BYTES - Buffer.byteLength(empty);
    expect(encodeMessage('node-1', hint(room)).map((payload) => payload.length)).toEqual([MAX_PAYLOAD_BYTES]);
    expect(() => encodeMessage('node-1', hint(room + 1))).toThrow(RangeError);
  });

  it('puts as many items into a payload as it holds, and drops one that is too long by itself', () => {
    const given = (...lengths: readonly number[]) => {
      const tasks = lengths.map((length) => 'x'.repeat(length));
      return encodeMessage('node-1', { kind: 'given', to: 'node-2', tasks }).map((payload) => {
        const message = decodeMessage(payload)?.message;
        return message?.kind === 'given' ? message.tasks.map(({ length }) => length) : [];
      });
    };
    const around = Buffer.byteLength('{"from":"node-1","kind":"given","to":"node-2","tasks":[]}');
    // Each item has two quotes and a comma.
    const room = MAX_PAYLOAD_BYTES - around;
    expect(given(room - 3)).toEqual([[room - 3]]);
    expect(given(room - 2)).toEqual([]);
    expect(given(1, room - 2, 2)).toEqual([[1, 2]]);
    expect(given(100, room - 106)).toEqual([[100, room - 106]]);
    expect(given(100, room - 105, 5)).toEqual([[100], [room - 105, 5]]);
  });

  it('may have fields that this version does not know', () => {
    expect(decodeMessage('{"from":"node-1","kind":"keys","why":"revoked"}')).toEqual({
      from: 'node-1',
      message: { kind: 'keys' },
    });
  });
});
