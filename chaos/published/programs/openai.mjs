// docs/openai-api.md, "When the network breaks".
import { writeFile } from 'node:fs/promises';
import OpenAI from 'openai';

const { ONETAKE_URL, ONETAKE_API_KEY, PARAMS, IDEMPOTENCY_KEY, TASK_ID, FILE } = process.env;
const { model, prompt, duration } = JSON.parse(PARAMS);
const request = { model, prompt, seconds: String(duration), size: '1280x720' };

const client = new OpenAI({ baseURL: `${ONETAKE_URL}/v1`, apiKey: ONETAKE_API_KEY, maxRetries: 20 });
const once = { headers: { 'Idempotency-Key': IDEMPOTENCY_KEY } };
let video = TASK_ID ? await client.videos.retrieve(TASK_ID) : await client.videos.create(request, once);
while (video.status === 'queued' || video.status === 'in_progress') {
  await new Promise((resolve) => setTimeout(resolve, 2000));
  video = await client.videos.retrieve(video.id);
}
let bytes;
for (let tries = 1; !bytes; tries++) {
  try {
    const file = await client.videos.downloadContent(video.id);
    bytes = Buffer.from(await file.arrayBuffer());
  } catch (error) {
    if (error instanceof OpenAI.APIError || tries === 20) throw error;
  }
}
await writeFile(FILE, bytes);
