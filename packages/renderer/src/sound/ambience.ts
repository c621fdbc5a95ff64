import type { SceneKind, Weather } from '../prompt/direction.ts';

/** Filtered noise that swells: wind, surf, rain. */
export interface Hiss {
  /** The frequency band in hertz. */
  readonly from: number;
  readonly to: number;
  /** Peak, of 1. */
  readonly level: number;
  /** The length of a swell in seconds, and the part of the level that it takes away. */
  readonly swell: number;
  readonly depth: number;
}

/** Short sounds at random moments: drops, crackles, birds, bells. */
export interface Blips {
  readonly perSecond: number;
  /** The range of the first pitch in hertz. 0 for a crackle without pitch. */
  readonly pitch: readonly [number, number];
  /** The pitch at the end, as a factor of the first. */
  readonly glide: number;
  /** Seconds until it has died away. */
  readonly length: number;
  readonly level: number;
  /** How many sounds follow one another. */
  readonly times: number;
}

export interface Ambience {
  readonly hisses: readonly Hiss[];
  readonly blips: readonly Blips[];
}

const hiss = (from: number, to: number, level: number, swell: number, depth: number): Hiss => ({
  from,
  to,
  level,
  swell,
  depth,
});

const BELLS: Blips = { perSecond: 0.7, pitch: [660, 1760], glide: 1, length: 2.2, level: 0.028, times: 1 };

/** The sounds of each place. */
export const PLACES: Readonly<Record<SceneKind, Ambience>> = {
  city: {
    hisses: [hiss(30, 220, 0.16, 5.3, 0.4), hiss(250, 1400, 0.03, 3.1, 0.7)],
    blips: [{ perSecond: 0.25, pitch: [320, 480], glide: 0.98, length: 0.5, level: 0.012, times: 2 }],
  },
  sea: {
    hisses: [hiss(60, 900, 0.2, 5.1, 0.8), hiss(900, 5000, 0.07, 5.1, 0.95)],
    blips: [{ perSecond: 0.3, pitch: [1500, 2100], glide: 0.7, length: 0.34, level: 0.016, times: 2 }],
  },
  mountains: {
    hisses: [hiss(120, 620, 0.13, 6.7, 0.7)],
    blips: [{ perSecond: 0.35, pitch: [2100, 3100], glide: 1.2, length: 0.16, level: 0.012, times: 3 }],
  },
  desert: { hisses: [hiss(160, 800, 0.12, 7.3, 0.85), hiss(2000, 6000, 0.02, 3.7, 0.8)], blips: [] },
  space: { hisses: [hiss(20, 110, 0.16, 8.9, 0.5)], blips: [BELLS] },
  snow: {
    hisses: [hiss(260, 1100, 0.1, 6.1, 0.8)],
    blips: [{ perSecond: 0.6, pitch: [1760, 2640], glide: 1, length: 1.4, level: 0.012, times: 1 }],
  },
  meadow: {
    hisses: [hiss(300, 1700, 0.05, 5.7, 0.7)],
    blips: [{ perSecond: 0.9, pitch: [2400, 3900], glide: 1.25, length: 0.12, level: 0.024, times: 4 }],
  },
  fire: {
    hisses: [hiss(40, 340, 0.17, 1.9, 0.35), hiss(700, 3000, 0.03, 1.3, 0.5)],
    blips: [{ perSecond: 13, pitch: [0, 0], glide: 1, length: 0.018, level: 0.2, times: 1 }],
  },
  underwater: {
    hisses: [hiss(20, 260, 0.22, 6.3, 0.5)],
    blips: [{ perSecond: 2.4, pitch: [260, 620], glide: 1.9, length: 0.09, level: 0.04, times: 3 }],
  },
  abstract: { hisses: [hiss(200, 900, 0.03, 6.9, 0.8)], blips: [BELLS] },
};

/** The sounds that the weather adds. */
export const WEATHERS: Readonly<Record<Weather, Ambience>> = {
  clear: { hisses: [], blips: [] },
  fog: { hisses: [hiss(80, 300, 0.05, 7.7, 0.6)], blips: [] },
  snow: { hisses: [hiss(400, 1500, 0.03, 5.9, 0.7)], blips: [] },
  rain: {
    hisses: [hiss(900, 9000, 0.1, 4.3, 0.2)],
    blips: [{ perSecond: 22, pitch: [1300, 4200], glide: 0.8, length: 0.014, level: 0.05, times: 1 }],
  },
  storm: {
    hisses: [hiss(700, 9000, 0.15, 3.3, 0.3), hiss(20, 120, 0.3, 2.9, 0.9), hiss(150, 700, 0.14, 3.9, 0.8)],
    blips: [{ perSecond: 30, pitch: [1300, 4200], glide: 0.8, length: 0.014, level: 0.05, times: 1 }],
  },
};
