import type OpenAI from 'openai';
import { z } from 'zod';
import type { Callback } from '../provider.ts';

/** OpenAI, "Webhooks": `video.completed`, `video.failed`. The project's other events arrive at the same address. */
const VideoEvent = z.object({ type: z.string().startsWith('video.'), data: z.object({ id: z.string() }) });

/** The job that a webhook is about; none for other events. Throws if the signature was not made with this secret, or is too old. */
export async function readWebhook(
  client: OpenAI,
  { headers, rawBody }: Callback,
  secret: string,
): Promise<string[]> {
  const flat = Object.entries(headers).map(([name, value]) => [name, String(value ?? '')]);
  const event = await client.webhooks.unwrap(rawBody.toString('utf8'), Object.fromEntries(flat), secret);
  const video = VideoEvent.safeParse(event);
  return video.success ? [video.data.data.id] : [];
}
