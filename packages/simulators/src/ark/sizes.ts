/** Pixels by resolution and ratio. */
export type Sizes = Readonly<
  Record<string, Readonly<Record<string, readonly [width: number, height: number]>>>
>;

type Pixels = readonly [width: number, height: number];

/** The upright ratios mirror the landscape ones. */
const tier = (wide: Pixels, classic: Pixels, square: Pixels, cinema: Pixels) => ({
  '16:9': wide,
  '4:3': classic,
  '1:1': square,
  '3:4': [classic[1], classic[0]] as const,
  '9:16': [wide[1], wide[0]] as const,
  '21:9': cinema,
});

// Volcengine Ark and BytePlus ModelArk, "Create a video generation task", the table under `ratio`.
export const SIZES_1_0: Sizes = {
  '480p': tier([864, 480], [736, 544], [640, 640], [960, 416]),
  '720p': tier([1248, 704], [1120, 832], [960, 960], [1504, 640]),
  '1080p': tier([1920, 1088], [1664, 1248], [1440, 1440], [2176, 928]),
};

export const SIZES_2_0: Sizes = {
  '480p': tier([864, 496], [752, 560], [640, 640], [992, 432]),
  '720p': tier([1280, 720], [1112, 834], [960, 960], [1470, 630]),
  '1080p': tier([1920, 1080], [1664, 1248], [1440, 1440], [2206, 946]),
  '4k': tier([3840, 2160], [3326, 2494], [2880, 2880], [4398, 1886]),
};

export const SIZES_2_5: Sizes = {
  ...SIZES_2_0,
  '480p': tier([854, 480], [752, 560], [640, 640], [992, 432]),
};

/** The documented ratio nearest to a picture's. */
export function nearestRatio(sizes: Sizes, resolution: string, picture: Pixels): string | undefined {
  const wanted = Math.log(picture[0] / picture[1]);
  const distance = ([, [width, height]]: [string, Pixels]): number =>
    Math.abs(Math.log(width / height) - wanted);
  return Object.entries(sizes[resolution] ?? {}).sort((a, b) => distance(a) - distance(b))[0]?.[0];
}
