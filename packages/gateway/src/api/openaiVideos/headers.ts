import type { App } from '../context.ts';

/** The version of OpenAI's API. */
const VERSION = '2020-10-01';

/** The headers that OpenAI's SDKs read. */
export function addHeaders(scope: App): void {
  scope.addHook('onSend', (_request, reply, payload, done) => {
    reply.header('openai-version', VERSION);
    reply.header('openai-processing-ms', Math.round(reply.elapsedTime));
    // The SDKs would repeat a call that the state of the video forbids.
    if (reply.statusCode === 409) reply.header('x-should-retry', 'false');
    done(null, payload);
  });
}
