/** One event of a stream of server-sent events. */
export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
}

/** More than this without a line break is no stream of events. Characters. */
const LONGEST_LINE = 4_000_000;

/**
 * Takes the text of a stream piece by piece, and answers with the events that each piece completes. `onId` is called with where a client
 * could go on, which may also move without an event.
 * As in https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export function createEventParser(
  onId: (id: string) => void = () => undefined,
): (piece: string) => readonly ServerSentEvent[] {
  let rest = '';
  let event = '';
  let data: string[] = [];
  let id: string | undefined;

  function endOfEvent(): readonly ServerSentEvent[] {
    const ended = data.length > 0 ? [{ event: event || 'message', data: data.join('\n') }] : [];
    if (id !== undefined) onId(id);
    id = undefined;
    event = '';
    data = [];
    return ended;
  }

  function takeLine(line: string): readonly ServerSentEvent[] {
    if (line === '') return endOfEvent();
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') event = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id' && !value.includes('\0')) id = value;
    return [];
  }

  return (piece) => {
    const lines = (rest + piece).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    if (rest.length > LONGEST_LINE) throw new Error('The event stream has no line breaks.');
    return lines.flatMap(takeLine);
  };
}

/** Reads the events of a body until its end. `onBytes` is called whenever something arrives, be it a comment. */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  onBytes: () => void,
  onId?: (id: string) => void,
): AsyncGenerator<ServerSentEvent, void, undefined> {
  const reader = body.getReader();
  // Also drops a byte order mark.
  const decoder = new TextDecoder();
  const parse = createEventParser(onId);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onBytes();
      yield* parse(decoder.decode(value, { stream: true }));
    }
  } finally {
    // It may have failed already, and it is over in any case.
    await reader.cancel().catch(() => undefined);
  }
}
