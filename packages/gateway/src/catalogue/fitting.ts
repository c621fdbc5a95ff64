import type { ImageDemand, ImageFit } from './imageLimits.ts';

/** How an image is drawn to fit: the size of the result, and where the whole image goes in it. All in pixels of the result. */
export interface Fitting {
  readonly width: number;
  readonly height: number;
  readonly drawn: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
}

/** More pixels than any model makes, and what a result may have in memory: 200 MB. */
const MAX_PIXELS = 50_000_000;
const MAX_SIDE = 16_384;
/** A JPEG of a photo has at most half a byte a pixel, at a quality that shows no loss. */
const PIXELS_PER_BYTE = 2;
/** Documents differ in whether a bound itself is allowed, and sides are rounded. */
const MARGIN = 0.001;

interface Pixels {
  readonly width: number;
  readonly height: number;
}

/**
 * The nearest size that the demand allows, and the image in it. `cover` fills it and cuts off what is too much, `contain` shows the whole
 * image between bars. An image is only enlarged if it has to be.
 */
export function fitting(demand: ImageDemand, image: Pixels, fit: Exclude<ImageFit, 'error'>): Fitting {
  const { width, height } = demand.size ?? nearestSize(demand, image, fit);
  const scales = [width / image.width, height / image.height];
  const scale = fit === 'cover' ? Math.max(...scales) : Math.min(...scales);
  const [drawnWidth, drawnHeight] = [image.width * scale, image.height * scale];
  return {
    width,
    height,
    drawn: {
      x: (width - drawnWidth) / 2,
      y: (height - drawnHeight) / 2,
      width: drawnWidth,
      height: drawnHeight,
    },
  };
}

function nearestSize(demand: ImageDemand, image: Pixels, fit: Exclude<ImageFit, 'error'>): Pixels {
  const { minSide = 1, minPixels = 1, maxPixels = MAX_PIXELS, maxBytes = MAX_PIXELS } = demand;
  // A thin line must not be blown up to a huge image because its short side is.
  const maxSide = Math.min(demand.maxSide ?? MAX_SIDE, Math.floor(MAX_PIXELS / minSide));
  const allowed = ratiosOf(demand);
  const least = Math.max(allowed.least, minSide / maxSide);
  const most = Math.min(allowed.most, maxSide / minSide);
  const ratio = Math.min(most, Math.max(least, image.width / image.height));
  const isNarrower = ratio < image.width / image.height;
  // To become narrower, the image is cut at its sides, or gets bars above and below. Otherwise the other way round.
  const height = isNarrower === (fit === 'cover') ? image.height : image.width / ratio;
  const width = height * ratio;

  const shrunk = Math.min(
    maxSide / Math.max(width, height),
    Math.sqrt(Math.min(MAX_PIXELS, maxPixels * (1 - MARGIN), maxBytes * PIXELS_PER_BYTE) / (width * height)),
  );
  const enlarged = Math.max(
    minSide / Math.min(width, height),
    Math.sqrt((minPixels * (1 + MARGIN)) / (width * height)),
  );
  const scale = Math.max(enlarged, Math.min(1, shrunk));
  if (allowed.least === allowed.most) return ofRatio(ratio, width * scale, height * scale);
  const inside = (side: number) => Math.min(maxSide, Math.max(minSide, Math.round(side)));
  const [wide, high] = [inside(width * scale), inside(height * scale)];
  // Rounding must not leave the ratios allowed, so the longer side gives way.
  return wide > high
    ? { width: Math.min(wide, Math.floor(high * most)), height: high }
    : { width: wide, height: Math.min(high, Math.floor(wide / least)) };
}

/** The ratios to aim at. Of bounds that leave no room for a margin it is the middle. */
function ratiosOf({ minRatio = 0, maxRatio = Number.POSITIVE_INFINITY }: ImageDemand) {
  const [least, most] = [minRatio * (1 + MARGIN), maxRatio * (1 - MARGIN)];
  const middle = (minRatio + maxRatio) / 2;
  return least < most ? { least, most } : { least: middle, most: middle };
}

/** The largest size within these sides whose longer side is the nearest to the ratio. */
function ofRatio(ratio: number, width: number, height: number): Pixels {
  // Multiplying may have taken away the last digit of a whole number.
  const whole = (side: number) => Math.max(1, Math.floor(side + 1e-6));
  if (ratio < 1) return { width: whole(width), height: Math.round(whole(width) / ratio) };
  return { width: Math.round(whole(height) * ratio), height: whole(height) };
}
