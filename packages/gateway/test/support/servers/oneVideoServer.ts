import { serve } from './httpServer.ts';

/** A server of OpenAI's Videos API whose only video is this one. */
export const serveVideo = (video: Buffer) =>
  serve((request, response) => {
    request.resume();
    if (request.url?.endsWith('/content')) {
      response.writeHead(200, { 'content-type': 'video/mp4', 'content-length': video.length }).end(video);
      return;
    }
    const job = { id: 'video_1', object: 'video', status: 'completed', model: 'sora-2', progress: 100 };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(job));
  });

/** Settings of a gateway with that server as its account for `sora-2`. */
export const accountAt = (origin: string): string => `
models:
  sora-2: { typical: { medianSeconds: 1, p90Seconds: 2 }, delivery: url }
accounts:
  one:
    provider: openai
    base_url: ${origin}/v1
    api_key: { env: ONE_KEY }
    models: [sora-2]
    limits: { min_poll_interval_ms: 100 }
`;
