import { smoothstep } from '../easing.ts';
import { SAMPLE_RATE, type Samples } from '../encode.ts';
import type { Direction, Light } from '../prompt/direction.ts';
import { between, createRandom, type Random } from '../random.ts';
import { type Blips, type Hiss, PLACES, WEATHERS } from './ambience.ts';

/** Hertz of the root of the pad, and the steps of its chord in semitones. */
const CHORDS: Readonly<Record<Light, { readonly root: number; readonly steps: readonly number[] }>> = {
  dawn: { root: 130.81, steps: [0, 7, 14, 16] },
  day: { root: 146.83, steps: [0, 7, 12, 16] },
  dusk: { root: 110, steps: [0, 7, 15, 22] },
  night: { root: 98, steps: [0, 7, 14, 15] },
};

/** Seconds of the fades at both ends. */
const FADE_IN = 0.35;
const FADE_OUT = 0.6;

/** The sound track of a direction: the sounds of its place and weather over a quiet chord. */
export function createSoundtrack(direction: Direction, duration: number, seed: number): Samples {
  const random = createRandom(seed ^ 0x2545f491);
  const length = Math.round(duration * SAMPLE_RATE);
  const samples: Samples = [new Float32Array(length), new Float32Array(length)];
  addPad(samples, direction, random);
  for (const { hisses, blips } of [PLACES[direction.scene], WEATHERS[direction.weather]]) {
    for (const hiss of hisses) addHiss(samples, hiss, random);
    for (const blip of blips) addBlips(samples, blip, random, duration);
  }
  for (const channel of samples) master(channel);
  return samples;
}

/** A few pairs of sines of slightly different pitch, which beat slowly against each other. */
function addPad(samples: Samples, { light, pace }: Direction, random: Random): void {
  const { root, steps } = CHORDS[light];
  for (const [voice, step] of steps.entries()) {
    const frequency = root * 2 ** (step / 12);
    const level = 0.05 / (1 + voice * 0.35);
    const breath = (between(random, 0.1, 0.2) * pace * 2 * Math.PI) / SAMPLE_RATE;
    for (const [side, channel] of samples.entries()) {
      const turn = (frequency * (1 + (side === 0 ? -0.0016 : 0.0016)) * 2 * Math.PI) / SAMPLE_RATE;
      const start = random() * 7;
      const swing = random() * 7;
      for (let i = 0; i < channel.length; i++) {
        const angle = start + turn * i;
        const loud = level * (0.65 + 0.35 * Math.sin(swing + breath * i));
        channel[i] =
          (channel[i] ?? 0) +
          loud * (Math.sin(angle) + 0.22 * Math.sin(angle * 2) + 0.07 * Math.sin(angle * 3));
      }
    }
  }
}

function addHiss(samples: Samples, { from, to, level, swell, depth }: Hiss, random: Random): void {
  const passLow = 1 - Math.exp((-2 * Math.PI * to) / SAMPLE_RATE);
  const passHigh = 1 - Math.exp((-2 * Math.PI * from) / SAMPLE_RATE);
  // Makes up for the energy that the filters remove, so that `level` means the same in every band.
  const gain = level / Math.sqrt(passLow / (2 - passLow));
  const step = (2 * Math.PI) / (swell * SAMPLE_RATE);
  const start = random() * 7;
  for (const [side, channel] of samples.entries()) {
    let low = 0;
    let rumble = 0;
    for (let i = 0; i < channel.length; i++) {
      low += passLow * (random() * 2 - 1 - low);
      rumble += passHigh * (low - rumble);
      const angle = start + side * 0.6 + step * i;
      const loud = 1 - depth * (0.5 - 0.32 * Math.sin(angle) - 0.18 * Math.sin(angle * 2.3));
      channel[i] = (channel[i] ?? 0) + (low - rumble) * gain * loud;
    }
  }
}

function addBlips(samples: Samples, blips: Blips, random: Random, duration: number): void {
  const { perSecond, pitch, glide, length, level, times } = blips;
  const count = Math.round((perSecond * duration) / times + random());
  for (let group = 0; group < count; group++) {
    const pan = between(random, 0.15, 0.85);
    let at = random() * duration;
    for (let one = 0; one < times; one++) {
      addBlip(
        samples,
        { at, length, pan, level: level * between(random, 0.35, 1) },
        pitchOf(pitch, random),
        glide,
        random,
      );
      at += length * between(random, 1.1, 2.4);
    }
  }
}

const pitchOf = ([from, to]: readonly [number, number], random: Random): number => between(random, from, to);

function addBlip(
  samples: Samples,
  { at, length, pan, level }: { at: number; length: number; pan: number; level: number },
  pitch: number,
  glide: number,
  random: Random,
): void {
  const first = Math.round(at * SAMPLE_RATE);
  const count = Math.round(length * SAMPLE_RATE);
  let angle = 0;
  for (let i = 0; i < count && first + i < samples[0].length; i++) {
    const part = i / count;
    angle += (2 * Math.PI * pitch * (1 + (glide - 1) * part)) / SAMPLE_RATE;
    const wave = pitch === 0 ? random() * 2 - 1 : Math.sin(angle);
    // A soft attack and a quick decay, so that neither end clicks.
    const value = wave * level * Math.min(1, part * 24) * (1 - part) ** 3;
    for (const [side, channel] of samples.entries()) {
      channel[first + i] = (channel[first + i] ?? 0) + value * (side === 0 ? 1 - pan : pan) * 2;
    }
  }
}

/** Fades both ends, and compresses loud samples instead of clipping them. */
function master(channel: Float32Array): void {
  const { length } = channel;
  for (let i = 0; i < length; i++) {
    const fade =
      smoothstep(0, FADE_IN * SAMPLE_RATE, i) * smoothstep(0, FADE_OUT * SAMPLE_RATE, length - 1 - i);
    channel[i] = Math.tanh((channel[i] ?? 0) * 1.6) * fade * 0.9;
  }
}
