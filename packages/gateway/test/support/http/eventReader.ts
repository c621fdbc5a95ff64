/** A server-sent event. */
export interface ReceivedEvent {
  readonly event: string;
  readonly id: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read any field of events, and then assert it
  readonly data: any;
}

export interface EventReader {
  /** The next event; undefined at the end of the stream. */
  next(): Promise<ReceivedEvent | undefined>;
  /** Reads until an event for which `wanted` is true, and resolves with it. Rejects at the end of the stream. */
  until(wanted: (event: ReceivedEvent) => boolean): Promise<ReceivedEvent>;
  /** Reads to the end. */
  rest(): Promise<readonly ReceivedEvent[]>;
  close(): Promise<void>;
}

/** Reads the events of a response. */
export function readEvents(response: Response): EventReader {
  if (response.status !== 200 || !response.body)
    throw new Error(`there is no stream, but ${response.status}`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';

  async function next(): Promise<ReceivedEvent | undefined> {
    for (;;) {
      const end = text.indexOf('\n\n');
      if (end >= 0) {
        const block = text.slice(0, end);
        text = text.slice(end + 2);
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
        const data = field('data');
        // A comment, or a block that only moves the cursor.
        if (data === undefined) continue;
        return { event: field('event') ?? '', id: field('id') ?? '', data: JSON.parse(data) };
      }
      const { done, value } = await reader.read();
      if (done) return undefined;
      text += value;
    }
  }

  return {
    next,
    async until(wanted) {
      for (;;) {
        const event = await next();
        if (!event) throw new Error('the stream ended');
        if (wanted(event)) return event;
      }
    },
    async rest() {
      const events: ReceivedEvent[] = [];
      for (let event = await next(); event; event = await next()) events.push(event);
      return events;
    },
    close: () => reader.cancel(),
  };
}
