import { defineUpstream } from '../../src/core/defineUpstream.ts';
import type { Upstream } from '../../src/core/upstream.ts';

const PACE = { medianMs: 70_000, p90Ms: 110_000, queueShare: 0.15 };

/** The smallest upstream. The tests of the core use it. */
export function toyUpstream(options: { places?: number } = {}): Upstream {
  return defineUpstream<{ greeting: string }, { note: string }>({
    name: 'toy',
    title: 'A toy',
    settings: { greeting: 'hello' },
    keyOf: (account) => `toy-${account}`,
    credentialOf: ({ authorization }) =>
      typeof authorization === 'string' ? authorization.replace('Bearer ', '') : undefined,
    environment: (origin, key) => ({ TOY_URL: origin, TOY_KEY: key }),
    endings: { filtered: 'moderation' },
    paceOf: () => PACE,
    bill: ({ video }) => ({ quantity: video.seconds, unit: 'seconds' }),
    answers: {
      rateLimited: (seconds) => ({
        status: 429,
        body: { error: 'slow down' },
        headers: seconds === undefined ? {} : { 'retry-after': String(seconds) },
      }),
      unavailable: (status) => ({ status, body: { error: 'unavailable' } }),
      notFound: () => ({ status: 404, body: { error: 'no such path' } }),
      unreadable: () => ({ status: 400, body: { error: 'unreadable' } }),
    },
    storage: {
      query: (signature, expires) => ({ Expires: String(expires), Signature: signature }),
      signatureParam: 'Signature',
      expiresParam: 'Expires',
      ranges: true,
      refusesAuthorization: true,
      refusals: {
        expired: { status: 403, body: 'expired' },
        signature: { status: 403, body: 'bad signature' },
        missing: { status: 404, body: 'missing' },
        authorization: { status: 400, body: 'two ways to authenticate' },
      },
    },
    routes(app, context) {
      app.post<{ Body: { prompt: string } }>(
        '/jobs',
        { config: { operation: 'submit' } },
        async (request) => {
          const { prompt } = request.body;
          const job = context.jobs.submit({
            account: context.accountOf(request)?.name ?? 'nobody',
            model: 'toy-1',
            prompt,
            video: { width: 320, height: 180, seconds: 2, audio: false },
            details: { note: context.settings.greeting },
            newId: (random) => random.uuid(),
            ...(options.places === undefined ? {} : { pool: { name: 'all', places: options.places } }),
          });
          context.notes.about(request, job);
          return { id: job.id };
        },
      );
      app.get<{ Params: { id: string } }>('/jobs/:id', { config: { operation: 'poll' } }, async (request) => {
        const job = context.jobs.find(request.params.id);
        if (!job) return { state: 'unknown' };
        context.notes.about(request, job);
        const { id, state, startedAt = null, endedAt = null } = job;
        const url =
          state === 'succeeded'
            ? context.storage.link(
                {
                  job,
                  path: `/results/${id}.mp4`,
                  contentType: 'video/mp4',
                  bytes: () => context.resultOf(job),
                },
                (endedAt ?? 0) + context.shared.clock.scaled(86_400_000),
              )
            : null;
        return { id, state, created_at: context.timeShown(job.createdAt), startedAt, endedAt, url };
      });
    },
  });
}
