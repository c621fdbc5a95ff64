/** Everything that a render depends on, so that a crash loses nothing. Written once. */
export interface RenderSpec {
  readonly prompt: string;
  /** Seconds. */
  readonly duration: number;
  /** Pixels, both even. */
  readonly width: number;
  readonly height: number;
  readonly audio: boolean;
  /** Whether the camera stands still. */
  readonly cameraFixed: boolean;
  readonly seed: number;
  readonly style?: string;
  /** Names of the image files next to the spec. */
  readonly firstFrame?: string;
  readonly lastFrame?: string;
}
