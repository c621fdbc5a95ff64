import { expect, it } from 'vitest';
import { createEventParser, readEvents } from '../src/sse.ts';

const TEXT =
  ': a comment\n\nevent: task\nid: 1\ndata: {"a":1}\n\nretry: 10\ndata:first\ndata: second\ndata\n\nevent: none\n\ndata: cut off';
const EVENTS = [
  { event: 'task', data: '{"a":1}' },
  { event: 'message', data: 'first\nsecond\n' },
];

it('reads events, and drops comments, unknown fields, events without data and one that is cut off', () => {
  expect(createEventParser()(TEXT)).toEqual(EVENTS);
});

it.each(['\n', '\r', '\r\n'])('reads lines that end with %j, in pieces of any size', (ending) => {
  const text = TEXT.replaceAll('\n', ending);
  for (let size = 1; size < text.length; size++) {
    const parse = createEventParser();
    const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
      text.slice(index * size, (index + 1) * size),
    );
    expect(pieces.flatMap(parse), `pieces of ${size}`).toEqual(EVENTS);
  }
});

it('tells where a client could go on, which also moves without an event', () => {
  const ids: string[] = [];
  const parse = createEventParser((id) => ids.push(id));
  expect(parse('id: 1\ndata: a\n\n:\nid: 2\n\nid: 3\ndata: b\n')).toEqual([{ event: 'message', data: 'a' }]);
  expect(ids).toEqual(['1', '2']);
});

it('refuses a body that is no stream of events before it fills the memory', () => {
  const parse = createEventParser();
  expect(() => {
    for (let piece = 0; piece < 10; piece++) parse('x'.repeat(1_000_000));
  }).toThrow('no line breaks');
});

it('joins characters whose bytes arrive apart, drops a byte order mark, and lets go of the body', async () => {
  const bytes = new TextEncoder().encode('\ufeffdata: 雨の街\n\n');
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
    },
    cancel() {
      cancelled = true;
    },
  });
  let pieces = 0;
  for await (const event of readEvents(body, () => pieces++)) {
    expect(event).toEqual({ event: 'message', data: '雨の街' });
    break;
  }
  expect([pieces, cancelled]).toEqual([bytes.length, true]);
});
