import { encodeVideo } from './encode.ts';
import type { MadeMessage, MakeMessage } from './maker.ts';
import { encodeJpeg, encodePng, encodeSprites, encodeWebp } from './stills.ts';

const MAKE = {
  mp4: encodeVideo,
  mov: encodeVideo,
  webm: encodeVideo,
  webp: encodeWebp,
  jpeg: encodeJpeg,
  png: encodePng,
  sprites: encodeSprites,
};

// The simulators went away: nobody waits for the result.
process.on('disconnect', () => process.exit(0));

/** One at a time: an encoder of its own for each would take the machine from those it serves. */
let turn: Promise<void> = Promise.resolve();

process.on('message', (message: MakeMessage) => {
  turn = turn.then(async () => {
    const made = await make(message);
    // The channel may close meanwhile; 'disconnect' ends the process then.
    if (process.connected) process.send?.(made, () => {});
  });
});

async function make(message: MakeMessage): Promise<MadeMessage> {
  try {
    return { id: message.id, bytes: await MAKE[message.kind](message) };
  } catch (error) {
    return {
      id: message.id,
      failure: error instanceof Error ? (error.stack ?? error.message) : String(error),
    };
  }
}
