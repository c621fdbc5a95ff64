import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import os, { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { catchInterruption, createNativePool, Interrupted } from '@onetake/gateway';
import { optionsOf } from '../chaos/shared/optionsOf.ts';
import { pythonWith } from '../scripts/packages.ts';
import { cpuTimeOf, totalCpuTimeOf } from './shared/cpu.ts';
import { type Figure, report } from './shared/figures.ts';
import { childrenOf } from './shared/memory.ts';

/**
 * The built-in renderer, which draws each frame and encodes it, beside the `ffmpeg` program, which only encodes the same frames, raw from a
 * file, with the same settings. In turns, with the same priority. `ffmpeg` is that of the Python package imageio-ffmpeg.
 *
 * `ffmpeg` does less: it draws nothing. It starts anew for each video, as a program does, while the renderer's process is warm, as it is for
 * all videos but the first after a minute without one. Both starts are figures of their own.
 *
 *   npm run bench:renderer -- [--rounds 3] [--seconds 1]
 */
const FPS = 24;
const SIZES = { '480p': [854, 480], '720p': [1280, 720], '1080p': [1920, 1080] } as const;
const PROMPTS = ['a paper boat on a rainy street', 'a volcano at night, handheld'] as const;
/** As the renderer encodes (`packages/renderer/src/encode.ts`). */
const X264 = [
  ...['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '23', '-pix_fmt', 'yuv420p'],
  ...['-x264-params', 'sliced-threads=0:mbtree=0', '-threads', '2', '-g', String(2 * FPS)],
];
/** The priority that the gateway gives its children. */
const PRIORITY = 10;
const RENDER_JOB = new URL('../packages/gateway/src/providers/preview/render.job.ts', import.meta.url);

const run = promisify(execFile);
const { rounds, seconds } = optionsOf(
  { rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '1' } },
  'npm run bench:renderer -- [--rounds 3] [--seconds 1]',
  { numbers: ['rounds', 'seconds'] },
);
const { signal } = catchInterruption();
const folder = await mkdtemp(join(tmpdir(), 'onetake-bench-'));
const native = createNativePool({ concurrency: 1 });
const video = join(folder, 'video.mp4');
const frames = join(folder, 'frames.rgba');
try {
  await measure();
} catch (error) {
  if (!(signal.reason instanceof Interrupted)) throw error;
  process.exitCode = signal.reason.exitCode;
} finally {
  await native.close();
  await rm(folder, { recursive: true, force: true });
}

/** Milliseconds. */
interface Took {
  readonly wall: number;
  readonly cpu: number;
}

interface Rendered extends Took {
  /** CPU time of the thread that draws. */
  readonly drawing: number;
  /** Until everything that does not move is painted, and with it the first frame. */
  readonly prepared: number;
  /** From the first frame to the last one. */
  readonly frames: number;
  /** The rest of the encoder, and the index. */
  readonly finished: number;
}

async function measure(): Promise<void> {
  const ffmpeg = await ffmpegProgram();
  const figures: Figure[] = [];
  // The first job of a child loads its libraries, which serve all that follow.
  const { wall: start } = await rendered('a start', [854, 480], 1);
  const { wall: next } = await rendered('a start', [854, 480], 1);
  figures.push({
    name: 'start of the process and its libraries, before the first video only',
    unit: 'ms',
    rounds: [start - next],
  });
  const began = performance.now();
  await run(ffmpeg, ['-version'], { signal });
  figures.push({
    name: 'start of ffmpeg, in each of its times',
    unit: 'ms',
    rounds: [performance.now() - began],
  });
  for (const [size, pixels] of Object.entries(SIZES)) {
    for (const prompt of PROMPTS) {
      const [ours, theirs]: [Rendered[], Took[]] = [[], []];
      await rendered(prompt, pixels, Number(seconds));
      await run(ffmpeg, ['-y', '-i', video, '-f', 'rawvideo', '-pix_fmt', 'rgba', frames], { signal });
      for (let round = 0; round < Number(rounds); round += 1) {
        ours.push(await rendered(prompt, pixels, Number(seconds)));
        theirs.push(await encoded(ffmpeg, pixels));
      }
      const ratios = (of: keyof Took) => ours.map((one, round) => (theirs[round]?.[of] ?? 0) / one[of]);
      const what = `${size}, "${prompt}"`;
      figures.push(
        { name: `${what}: speed against ffmpeg`, unit: '×', rounds: ratios('wall'), aim: { atLeast: 0.8 } },
        ...phasesOf(what, ours),
        { name: `${what}: ffmpeg`, unit: 'ms', rounds: theirs.map(({ wall }) => wall) },
        { name: `${what}: CPU of ffmpeg`, unit: 'ms', rounds: theirs.map(({ cpu }) => cpu) },
      );
    }
  }
  report(figures);
}

function phasesOf(what: string, ours: readonly Rendered[]): Figure[] {
  const figure = (name: string, read: (one: Rendered) => number): Figure => ({
    name: `${what}: ${name}`,
    unit: 'ms',
    rounds: ours.map(read),
  });
  return [
    figure('until the first frame is drawn', ({ prepared }) => prepared),
    figure('the other frames', ({ frames }) => frames),
    figure('rest of the encoder, index', ({ finished }) => finished),
    figure('CPU of drawing', ({ drawing }) => drawing),
    figure('CPU of all else (colours, encoder)', ({ cpu, drawing }) => cpu - drawing),
  ];
}

async function rendered(
  prompt: string,
  [width, height]: readonly [number, number],
  duration: number,
): Promise<Rendered> {
  const spec = { prompt, duration, width, height, audio: false, cameraFixed: false, seed: 1 };
  const before = await childTime();
  const began = performance.now();
  // The renderer reports each percentage after a frame is drawn: the first of them, and 98 when the last one is encoded.
  const reports: { readonly percent: number; readonly at: number }[] = [];
  await native.run(
    RENDER_JOB,
    { spec, dir: folder, outPath: video },
    { signal, onProgress: (percent) => reports.push({ percent, at: performance.now() - began }) },
  );
  const wall = performance.now() - began;
  const after = await childTime();
  // The pool itself reports that a child has taken the job.
  const prepared = reports[1]?.at ?? wall;
  const encoded = reports.find(({ percent }) => percent === 98)?.at ?? wall;
  return {
    wall,
    cpu: after.all - before.all,
    drawing: after.main - before.main,
    prepared,
    frames: encoded - prepared,
    finished: wall - encoded,
  };
}

/** CPU time of the child that renders, if it runs yet. */
async function childTime(): Promise<{ readonly main: number; readonly all: number }> {
  const [child] = await childrenOf(process.pid);
  if (child === undefined) return { main: 0, all: 0 };
  const [{ main }, all] = await Promise.all([cpuTimeOf(child), totalCpuTimeOf(child)]);
  return { main: main / 1000, all };
}

async function encoded(ffmpeg: string, [width, height]: readonly [number, number]): Promise<Took> {
  const input = ['-f', 'rawvideo', '-pix_fmt', 'rgba', '-s', `${width}x${height}`, '-r', String(FPS)];
  const output = join(folder, 'again.mp4');
  const began = performance.now();
  const child = spawn(ffmpeg, ['-y', '-benchmark', ...input, '-i', frames, ...X264, output], {
    stdio: ['ignore', 'ignore', 'pipe'],
    signal,
  });
  child.on('error', () => undefined);
  os.setPriority(child.pid ?? 0, PRIORITY);
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
  const [, user, system] = /bench: utime=([\d.]+)s stime=([\d.]+)s/.exec(said) ?? [];
  if (code !== 0 || user === undefined) throw new Error(`ffmpeg could not encode:\n${said}`);
  return { wall: performance.now() - began, cpu: (Number(user) + Number(system)) * 1000 };
}

async function ffmpegProgram(): Promise<string> {
  const python = await pythonWith(join(import.meta.dirname, 'shared/ffmpeg.requirements.txt'));
  const find = 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())';
  return (await run(python, ['-c', find])).stdout.trim();
}
