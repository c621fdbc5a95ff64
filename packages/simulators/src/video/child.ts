import { encodeVideo } from './encode.ts';
import type { MadeMessage, MakeMessage, MakeRequest } from './maker.ts';
import { encodeLastFrame, encodeSprites } from './stills.ts';

// The simulators have ended, so nobody waits for the result.
process.on('disconnect', () => process.exit(0));

/** One job at a time, because parallel encoders would take the CPU from everything else on the machine. */
let turn: Promise<void> = Promise.resolve();

process.on('message', (message: MakeMessage) => {
  turn = turn.then(async () => {
    const made = await make(message);
    // The channel may close meanwhile. Then 'disconnect' ends the process.
    if (process.connected) process.send?.(made, () => {});
  });
});

async function make(message: MakeMessage): Promise<MadeMessage> {
  try {
    return { id: message.id, bytes: await encode(message) };
  } catch (error) {
    return {
      id: message.id,
      failure: error instanceof Error ? (error.stack ?? error.message) : String(error),
    };
  }
}

function encode(request: MakeRequest): Promise<Buffer> {
  const { kind } = request;
  switch (kind) {
    case 'sprites':
      return encodeSprites(request);
    case 'webp':
    case 'jpeg':
    case 'png':
      return encodeLastFrame({ ...request, kind });
    default:
      return encodeVideo({ ...request, kind });
  }
}
