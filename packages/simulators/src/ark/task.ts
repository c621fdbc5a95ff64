import { ASSUMPTIONS } from './assumptions.ts';
import type { ArkContext, Task } from './context.ts';
import { FAILURES, requestId } from './errors.ts';

/** "Valid for 24 hours." Milliseconds. */
const LINK_MS = 24 * 3_600_000;
const FPS = 24;

/** The outcome of a task. A broken rule that is checked only when the task runs turns a success into a failure. */
export const statusOf = ({ state, details }: Task): Task['state'] =>
  state === 'succeeded' && details.constraintBroken ? 'failed' : state;

/**
 * "tokens = width × height × frame rate × (seconds of input videos + of the result) / 1024", of which answers report a frame more: 108900 for
 * 5 s at 1280x720. With a video, there is a least usage, which is that of two thirds of the result: BytePlus gives 1.244 USD for 5 s at 720p.
 */
export function tokensOf({ delivered: { width, height, seconds }, details: { videos } }: Task): number {
  const given = videos * ASSUMPTIONS.referenceSeconds;
  const input = videos === 0 ? 0 : Math.max(given, Math.ceil((seconds * 2) / 3));
  return Math.floor((width * height * (FPS * (seconds + input) + 1)) / 1024);
}

/** USD. "Flex: half the price" of a model that has this tier. */
export function pricePerMillion({ details: { model, tier, resolution, videos } }: Task): number {
  const withVideo = videos > 0 ? model.usdPerMillionTokensWithVideo : undefined;
  const price = model.usdPerMillionTokensAt?.[resolution] ?? withVideo ?? model.usdPerMillionTokens;
  return tier === 'flex' ? price / 2 : price;
}

/** The task object of query, list and callback. Unfinished and failed tasks have the members of the documentation's examples. */
export function taskObject(context: ArkContext, task: Task): Record<string, unknown> {
  const { details } = task;
  const seconds = (ms: number): number => Math.floor(context.timeShown(ms) / 1000);
  const status = statusOf(task);
  return {
    id: task.id,
    model: task.model,
    status,
    ...(status === 'failed' ? { error: failureOf(task) } : {}),
    ...(status === 'succeeded' ? resultOf(context, task) : {}),
    created_at: seconds(task.createdAt),
    updated_at: seconds(task.endedAt ?? task.startedAt ?? task.createdAt),
    service_tier: details.tier,
    execution_expires_after: details.expiresAfter,
    ...(details.model.fields.includes('generate_audio') ? { generate_audio: details.audio } : {}),
    draft: details.draft,
    priority: details.priority,
    ...(details.safetyIdentifier === undefined ? {} : { safety_identifier: details.safetyIdentifier }),
  };
}

function failureOf(task: Task): { code: string; message: string } {
  const { code, message } = FAILURES[kindOfFailure(task)];
  return { code, message: `${message} ${requestId()}` };
}

function kindOfFailure({ failure, seed, details }: Task): keyof typeof FAILURES {
  if (failure === 'internal') return 'internal';
  if (details.taskTypeMismatch) return 'mismatch';
  if (failure === 'invalid' || failure === undefined) return 'constraint';
  const kinds = details.audio
    ? (['video', 'copyright', 'audio'] as const)
    : (['video', 'copyright'] as const);
  return kinds[seed % kinds.length] ?? 'video';
}

function resultOf(context: ArkContext, task: Task): Record<string, unknown> {
  const { details, delivered } = task;
  const tokens = tokensOf(task);
  const base = `/${details.model.name}/${task.ownId}`;
  const expiresAt = (task.endedAt ?? task.createdAt) + context.shared.clock.kept(LINK_MS);
  const link = (suffix: string, contentType: string, bytes: () => Promise<Buffer | undefined>): string =>
    context.storage.link({ job: task, path: `${base}${suffix}`, contentType, bytes }, expiresAt);
  const { videos } = context.shared;
  return {
    content: {
      video_url: link('.mp4', 'video/mp4', () => context.resultOf(task)),
      ...(details.lastFrame
        ? {
            last_frame_url: link('_last_frame.jpeg', 'image/jpeg', () =>
              videos.still(delivered, task.seed, 'jpeg'),
            ),
          }
        : {}),
    },
    usage: { completion_tokens: tokens, total_tokens: tokens },
    seed: task.seed,
    resolution: details.resolution,
    ratio: details.shownRatio,
    // "The number of frames / 24, rounded down."
    ...(details.frames === undefined
      ? { duration: Math.floor(delivered.seconds) }
      : { frames: details.frames }),
    framespersecond: FPS,
  };
}
