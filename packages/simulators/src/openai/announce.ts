import { Webhook } from 'standardwebhooks';
import { ASSUMPTIONS } from './assumptions.ts';
import type { OpenAiContext } from './context.ts';
import type { VideoJob } from './video.ts';

/**
 * The project's webhook (OpenAI, "Webhooks" and "Video generation with Sora"): `video.completed` and `video.failed`, signed by
 * the Standard Webhooks scheme. `webhook-id` stays the same over all attempts.
 */
export function announce(context: OpenAiContext, job: VideoJob, at: number): void {
  const { webhookUrl, webhookSecret } = context.settings;
  const type = TYPES[job.state];
  if (webhookUrl === '' || type === undefined) return;
  const id = `evt_${job.random.hex(32)}`;
  const body = JSON.stringify({
    id,
    object: 'event',
    created_at: Math.floor(context.timeShown(at) / 1000),
    type,
    data: { id: job.id },
  });
  const webhook = new Webhook(webhookSecret);
  context.shared.webhooks.send({
    upstream: context.name,
    url: webhookUrl,
    body,
    headers: (attemptAt) => {
      const timestamp = new Date(context.timeShown(attemptAt));
      return {
        'user-agent': 'OpenAI/1.0 (+https://platform.openai.com/docs/webhooks)',
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(timestamp.getTime() / 1000)),
        'webhook-signature': webhook.sign(id, timestamp, body),
      };
    },
    retryMs: ASSUMPTIONS.webhookRetryMs,
    timeoutMs: ASSUMPTIONS.webhookTimeoutMs,
  });
}

const TYPES: Partial<Record<VideoJob['state'], string>> = {
  succeeded: 'video.completed',
  failed: 'video.failed',
  expired: 'video.failed',
};
