import { createRecordingProvider } from '../support/recordingProvider.ts';
import { type Behaviour, createRecordingUpstream } from '../support/servers/recordingUpstream.ts';
import { describeProviderContract } from './providerContract.ts';

// The provider that the engine is tested with keeps the same contract as real providers.
describeProviderContract({
  name: 'the recording provider',
  inMemory: true,
  abilities: {
    cancel: 'any',
    find: 'full',
    resumeDownload: true,
    batchPolling: true,
    callbacks: false,
    hints: false,
    progress: true,
    queuePosition: false,
    startedAt: false,
    endedAt: false,
    pollAfter: false,
    discard: true,
    resumeJob: false,
    upstreamTime: false,
    fleet: false,
  },
  startTwice: 'two_jobs',
  async create() {
    let next: Behaviour = {};
    let broken = false;
    const error = { error: 'upstream_unavailable' } as const;
    const unreachable: Behaviour = {
      start: ['request_lost'],
      answers: [error],
      open: [error],
      cancel: [error],
      find: [error],
    };
    const usual: Behaviour = { answers: ['queued', 'in_progress', { progress: 50 }, 'succeeded'] };
    const chosen = new Map<string, Behaviour>();
    const upstream = createRecordingUpstream({
      behaviour(_prompt, taskId) {
        if (broken) return unreachable;
        const behaviour = chosen.get(taskId) ?? { ...usual, ...next };
        chosen.set(taskId, behaviour);
        next = {};
        return behaviour;
      },
    });
    const { onHint: _saidByTests, ...provider } = createRecordingProvider({ upstream });
    return {
      provider,
      jobsMade: () => upstream.count('submit'),
      reopen: async () => createRecordingProvider({ upstream }),
      passTime: async () => undefined,
      failNextJob() {
        next = {
          answers: ['in_progress', { failed: 'content_rejected', message: 'The prompt was refused.' }],
        };
      },
      holdNextJob() {
        next = { answers: [{ progress: 50 }] };
      },
      network: {
        loseNextAnswer() {
          next = { start: ['answer_lost'] };
        },
        breakUpstream() {
          broken = true;
        },
        stallUpstream() {
          for (const call of ['submit', 'poll', 'open'] as const) provider.hold(call);
        },
      },
      end: () => provider.close(),
    };
  },
});
