// Made from the catalogue by `npm run client`.
import type { Schemas } from './schema.ts';

type Reference = NonNullable<Schemas['SubmitBody']['references']>[number];
type References<Type> = readonly (Reference & { readonly type: Type })[];

/** The values that each model of the catalogue takes, as it comes with the gateway. */
export interface ModelParameters {
  readonly 'onetake-preview': {
    /** 1 to 20 */
    readonly duration: number;
    readonly resolution: '480p' | '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: true | false;
    /** 0 to 4294967295 */
    readonly seed: number;
    readonly style: string;
    readonly camera_fixed: true | false;
  };
  readonly 'gemini-omni-1.2-flash': {
    /** 3 to 15 */
    readonly duration: number;
    readonly resolution: '360p' | '720p' | '1080p' | '4k';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly image: string;
    readonly last_frame: string;
    readonly references: References<'image'>;
    readonly generate_audio: true;
    readonly reference_images: readonly string[];
  };
  readonly 'gemini-omni-1.1-flash': {
    /** 3 to 10 */
    readonly duration: number;
    readonly resolution: '360p' | '720p' | '1080p' | '4k';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly image: string;
    readonly last_frame: string;
    readonly references: References<'image'>;
    readonly generate_audio: true;
    readonly reference_images: readonly string[];
  };
  readonly 'veo-3.1-generate-001': {
    readonly duration: 4 | 6 | 7 | 8;
    readonly resolution: '720p' | '1080p' | '4k';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly negative_prompt: string;
    readonly image: string;
    readonly last_frame: string;
    readonly references: References<'image'>;
    readonly video_url: string;
    readonly generate_audio: true | false;
    /** 0 to 4294967295 */
    readonly seed: number;
    readonly person_generation: 'dont_allow' | 'allow_adult' | 'allow_all';
    readonly reference_images: readonly string[];
  };
  readonly 'veo-3.1-fast-generate-001': {
    readonly duration: 4 | 6 | 7 | 8;
    readonly resolution: '720p' | '1080p' | '4k';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly negative_prompt: string;
    readonly image: string;
    readonly last_frame: string;
    readonly references: References<'image'>;
    readonly video_url: string;
    readonly generate_audio: true | false;
    /** 0 to 4294967295 */
    readonly seed: number;
    readonly person_generation: 'dont_allow' | 'allow_adult' | 'allow_all';
    readonly reference_images: readonly string[];
  };
  readonly 'veo-3.1-lite-generate-001': {
    readonly duration: 4 | 6 | 8;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly negative_prompt: string;
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: true | false;
    /** 0 to 4294967295 */
    readonly seed: number;
    readonly person_generation: 'dont_allow' | 'allow_adult' | 'allow_all';
  };
  readonly 'veo-3.1-generate-preview': {
    readonly duration: 4 | 6 | 7 | 8;
    readonly resolution: '720p' | '1080p' | '4k';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly negative_prompt: string;
    readonly image: string;
    readonly last_frame: string;
    readonly references: References<'image'>;
    readonly video_url: string;
    readonly generate_audio: true | false;
    /** 0 to 4294967295 */
    readonly seed: number;
    readonly person_generation: 'dont_allow' | 'allow_adult' | 'allow_all';
    readonly reference_images: readonly string[];
  };
  readonly 'veo-3.1-fast-generate-preview': {
    readonly duration: 4 | 6 | 7 | 8;
    readonly resolution: '720p' | '1080p' | '4k';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly negative_prompt: string;
    readonly image: string;
    readonly last_frame: string;
    readonly references: References<'image'>;
    readonly video_url: string;
    readonly generate_audio: true | false;
    /** 0 to 4294967295 */
    readonly seed: number;
    readonly person_generation: 'dont_allow' | 'allow_adult' | 'allow_all';
    readonly reference_images: readonly string[];
  };
  readonly 'veo-3.0-generate-001': {
    readonly duration: 4 | 6 | 8;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly negative_prompt: string;
    readonly image: string;
    readonly generate_audio: true | false;
    /** 0 to 4294967295 */
    readonly seed: number;
    readonly person_generation: 'dont_allow' | 'allow_adult' | 'allow_all';
  };
  readonly 'veo-3.0-fast-generate-001': {
    readonly duration: 4 | 6 | 8;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly negative_prompt: string;
    readonly image: string;
    readonly generate_audio: true | false;
    /** 0 to 4294967295 */
    readonly seed: number;
    readonly person_generation: 'dont_allow' | 'allow_adult' | 'allow_all';
  };
  readonly 'veo-3.0-generate-preview': {
    readonly duration: 4 | 6 | 8;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly negative_prompt: string;
    readonly image: string;
    readonly generate_audio: true | false;
    /** 0 to 4294967295 */
    readonly seed: number;
    readonly person_generation: 'dont_allow' | 'allow_adult' | 'allow_all';
  };
  readonly 'veo-3.0-fast-generate-preview': {
    readonly duration: 4 | 6 | 8;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly negative_prompt: string;
    readonly image: string;
    readonly generate_audio: true | false;
    /** 0 to 4294967295 */
    readonly seed: number;
    readonly person_generation: 'dont_allow' | 'allow_adult' | 'allow_all';
  };
  readonly 'wan3.0-video': {
    /** 2 to 30, or -1: the model decides */
    readonly duration: number;
    readonly resolution: '480p' | '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly last_frame: string;
    readonly references: References<'image' | 'video' | 'audio'>;
    readonly generate_audio: true | false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'wan3.0-video-prime': {
    /** 2 to 30, or -1: the model decides */
    readonly duration: number;
    readonly resolution: '480p' | '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly last_frame: string;
    readonly references: References<'image' | 'video' | 'audio'>;
    readonly generate_audio: true | false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'wan2.7-t2v': {
    /** 2 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly negative_prompt: string;
    readonly generate_audio: true;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
  };
  readonly 'wan2.7-i2v': {
    /** 2 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly negative_prompt: string;
    readonly image: string;
    readonly last_frame: string;
    readonly references: References<'video' | 'audio'>;
    readonly generate_audio: true;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
  };
  readonly 'wan2.7-r2v': {
    /** 2 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly negative_prompt: string;
    readonly image: string;
    readonly references: References<'image' | 'video'>;
    readonly generate_audio: true;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'wan2.7-videoedit': {
    /** 2 to 10, or -1: the model decides */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly negative_prompt: string;
    readonly references: References<'video' | 'image'>;
    readonly generate_audio: true;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
    readonly reference_images: readonly string[];
    readonly video_url: string;
  };
  readonly 'wanx-video-v1': {
    /** 2 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly negative_prompt: string;
    readonly image: string;
    readonly generate_audio: true;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly style: string;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
  };
  readonly 'wan2.6-t2v': {
    /** 2 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly negative_prompt: string;
    readonly generate_audio: true;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
  };
  readonly 'wan2.6-i2v': {
    /** 2 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly image: string;
    readonly generate_audio: true;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
  };
  readonly 'wan2.6-i2v-flash': {
    /** 2 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly image: string;
    readonly generate_audio: true | false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
  };
  readonly 'wan2.6-r2v': {
    /** 2 to 10 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly negative_prompt: string;
    readonly references: References<'image' | 'video'>;
    readonly generate_audio: true;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'wan2.6-r2v-flash': {
    /** 2 to 10 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly negative_prompt: string;
    readonly references: References<'image' | 'video'>;
    readonly generate_audio: true | false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'wan2.5-t2v-preview': {
    readonly duration: 5 | 10;
    readonly resolution: '480p' | '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly generate_audio: true;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
  };
  readonly 'wan2.5-i2v-preview': {
    readonly duration: 5 | 10;
    readonly resolution: '480p' | '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly image: string;
    readonly generate_audio: true;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
  };
  readonly 'wan2.2-t2v-plus': {
    readonly duration: 5;
    readonly resolution: '480p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly generate_audio: false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
  };
  readonly 'wan2.2-i2v-plus': {
    readonly duration: 5;
    readonly resolution: '480p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly image: string;
    readonly generate_audio: false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
  };
  readonly 'wan2.2-i2v-flash': {
    readonly duration: 5;
    readonly resolution: '480p' | '720p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly image: string;
    readonly generate_audio: false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
  };
  readonly 'wan2.2-kf2v-flash': {
    readonly duration: 5;
    readonly resolution: '480p' | '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
  };
  readonly 'wanx2.1-t2v-turbo': {
    readonly duration: 5;
    readonly resolution: '480p' | '720p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly generate_audio: false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
  };
  readonly 'wanx2.1-t2v-plus': {
    readonly duration: 5;
    readonly resolution: '720p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly generate_audio: false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
  };
  readonly 'wanx2.1-i2v-turbo': {
    readonly duration: 3 | 4 | 5;
    readonly resolution: '480p' | '720p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly image: string;
    readonly generate_audio: false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
  };
  readonly 'wanx2.1-i2v-plus': {
    readonly duration: 5;
    readonly resolution: '720p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly image: string;
    readonly generate_audio: false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
  };
  readonly 'wanx2.1-kf2v-plus': {
    readonly duration: 5;
    readonly resolution: '720p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly prompt_extend: true | false;
  };
  readonly 'happyhorse-1.0-video-edit': {
    /** 3 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly references: References<'video' | 'image'>;
    readonly generate_audio: true;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
    readonly video_url: string;
  };
  readonly 'happyhorse-1.1-t2v': {
    /** 3 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly generate_audio: true;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
  };
  readonly 'happyhorse-1.1-i2v': {
    /** 3 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly generate_audio: true;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
  };
  readonly 'happyhorse-1.1-r2v': {
    /** 3 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly references: References<'image'>;
    readonly generate_audio: true;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'happyhorse-1.0-t2v': {
    /** 3 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly generate_audio: true;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
  };
  readonly 'happyhorse-1.0-i2v': {
    /** 3 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly generate_audio: true;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
  };
  readonly 'happyhorse-1.0-r2v': {
    /** 3 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly references: References<'image'>;
    readonly generate_audio: true;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'dashscope-kling-v3': {
    /** 3 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: true | false;
    readonly watermark: true | false;
  };
  readonly 'dashscope-kling-v3-omni': {
    /** 3 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly image: string;
    readonly last_frame: string;
    readonly references: References<'image' | 'video'>;
    readonly generate_audio: true | false;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
    readonly video_url: string;
  };
  readonly 'dashscope-vidu-q3-pro': {
    /** 1 to 16 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: true | false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
  };
  readonly 'dashscope-vidu-q3-turbo': {
    /** 1 to 16 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: true | false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
  };
  readonly 'dashscope-vidu-q3-mix-r2v': {
    /** 1 to 16 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly references: References<'image'>;
    readonly generate_audio: true | false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'dashscope-vidu-q3-ad-r2v': {
    /** 3 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly references: References<'image'>;
    readonly generate_audio: true | false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'dashscope-vidu-q3-drama-r2v': {
    /** 2 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly references: References<'image'>;
    readonly generate_audio: true;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'dashscope-vidu-q3-r2v': {
    /** 1 to 16 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly references: References<'image'>;
    readonly generate_audio: true | false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'dashscope-vidu-q3-turbo-r2v': {
    /** 1 to 16 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly references: References<'image'>;
    readonly generate_audio: true | false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'dashscope-vidu-q2': {
    /** 1 to 10 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly generate_audio: false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
  };
  readonly 'dashscope-vidu-q2-pro': {
    /** 1 to 10 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
  };
  readonly 'dashscope-vidu-q2-turbo': {
    /** 1 to 10 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
  };
  readonly 'dashscope-vidu-q2-pro-fast': {
    /** 1 to 10 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly image: string;
    readonly generate_audio: false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
  };
  readonly 'dashscope-vidu-q2-r2v': {
    /** 1 to 10 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly references: References<'image'>;
    readonly generate_audio: false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'dashscope-vidu-q2-pro-r2v': {
    /** 1 to 10, or -1: the model decides */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly references: References<'image' | 'video'>;
    readonly generate_audio: false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'seedance-2.5': {
    /** 4 to 30, or -1: the model decides */
    readonly duration: number;
    readonly resolution: '480p' | '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly last_frame: string;
    readonly references: References<'image' | 'video' | 'audio'>;
    readonly generate_audio: true | false;
    /** -1 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
    readonly video_url: string;
  };
  readonly 'seedance-2.0': {
    /** 4 to 15, or -1: the model decides */
    readonly duration: number;
    readonly resolution: '480p' | '720p' | '1080p' | '4k';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly last_frame: string;
    readonly references: References<'image' | 'video' | 'audio'>;
    readonly generate_audio: true | false;
    /** -1 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'seedance-2.0-fast': {
    /** 4 to 15, or -1: the model decides */
    readonly duration: number;
    readonly resolution: '480p' | '720p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly last_frame: string;
    readonly references: References<'image' | 'video' | 'audio'>;
    readonly generate_audio: true | false;
    /** -1 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'seedance-2.0-mini': {
    /** 4 to 15, or -1: the model decides */
    readonly duration: number;
    readonly resolution: '480p' | '720p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly last_frame: string;
    readonly references: References<'image' | 'video' | 'audio'>;
    readonly generate_audio: true | false;
    /** -1 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'seedance-1.5-pro': {
    /** 4 to 12 */
    readonly duration: number;
    readonly resolution: '480p' | '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly last_frame: string;
    readonly references: References<'image' | 'video' | 'audio'>;
    readonly generate_audio: true | false;
    /** -1 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'seedance-1.0-pro': {
    /** 2 to 12 */
    readonly duration: number;
    readonly resolution: '480p' | '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: false;
    /** -1 to 2147483647 */
    readonly seed: number;
    readonly camera_fixed: true | false;
    readonly watermark: true | false;
  };
  readonly 'seedance-1.0-pro-fast': {
    /** 2 to 12 */
    readonly duration: number;
    readonly resolution: '480p' | '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly generate_audio: false;
    /** -1 to 2147483647 */
    readonly seed: number;
    readonly camera_fixed: true | false;
    readonly watermark: true | false;
  };
  readonly 'seedance-1.0': {
    /** 2 to 12 */
    readonly duration: number;
    readonly resolution: '480p' | '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: false;
    /** -1 to 2147483647 */
    readonly seed: number;
    readonly camera_fixed: true | false;
    readonly watermark: true | false;
  };
  readonly 'grok-imagine-video-1.5': {
    /** 1 to 15 */
    readonly duration: number;
    readonly resolution: '480p' | '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly image: string;
    readonly last_frame: string;
    readonly references: References<'image'>;
    readonly generate_audio: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'grok-imagine-video-1.5-lite': {
    /** 1 to 15 */
    readonly duration: number;
    readonly resolution: '480p' | '720p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly image: string;
    readonly references: References<'image'>;
    readonly generate_audio: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'grok-imagine-video': {
    /** 1 to 15 */
    readonly duration: number;
    readonly resolution: '480p' | '720p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly image: string;
    readonly references: References<'image'>;
    readonly generate_audio: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'minimax-h3': {
    /** 4 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly last_frame: string;
    readonly references: References<'image'>;
    readonly generate_audio: true;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'minimax-h3-max': {
    /** 5 to 15 */
    readonly duration: number;
    readonly resolution: '480p' | '720p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: true;
    readonly watermark: true | false;
  };
  readonly 'fal-veo3.1': {
    readonly duration: 4 | 6 | 8;
    readonly resolution: '720p' | '1080p' | '4k';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly negative_prompt: string;
    readonly image: string;
    readonly generate_audio: true | false;
    /** 0 to 2147483647 */
    readonly seed: number;
  };
  readonly 'fal-veo3.1-fast': {
    readonly duration: 4 | 6 | 8;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly negative_prompt: string;
    readonly image: string;
    readonly generate_audio: true | false;
    /** 0 to 2147483647 */
    readonly seed: number;
  };
  readonly 'fal-veo3.1-lite': {
    readonly duration: 4 | 6 | 8;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly negative_prompt: string;
    readonly image: string;
    readonly generate_audio: true | false;
    /** 0 to 2147483647 */
    readonly seed: number;
  };
  readonly 'fal-kling-v3-pro': {
    /** 3 to 15 */
    readonly duration: number;
    readonly resolution: '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: true | false;
  };
  readonly 'fal-kling-v3-standard': {
    /** 3 to 15 */
    readonly duration: number;
    readonly resolution: '720p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: true | false;
  };
  readonly 'fal-kling-v2.6-pro': {
    readonly duration: 5 | 10;
    readonly resolution: '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: true | false;
  };
  readonly 'fal-kling-v2.5-turbo-pro': {
    readonly duration: 5 | 10;
    readonly resolution: '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: false;
  };
  readonly 'fal-wan-2.7': {
    /** 2 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly negative_prompt: string;
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: true;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly prompt_extend: true | false;
  };
  readonly 'fal-wan-2.5': {
    readonly duration: 5 | 10;
    readonly resolution: '480p' | '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly image: string;
    readonly generate_audio: true;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly prompt_extend: true | false;
  };
  readonly 'fal-seedance-2.0': {
    /** 4 to 15 */
    readonly duration: number;
    readonly resolution: '480p' | '720p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: true | false;
    /** 0 to 2147483647 */
    readonly seed: number;
  };
  readonly 'fal-seedance-1.5-pro': {
    /** 4 to 12 */
    readonly duration: number;
    readonly resolution: '480p' | '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: true | false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly camera_fixed: true | false;
  };
  readonly 'fal-seedance-1.0-pro-fast': {
    /** 2 to 12 */
    readonly duration: number;
    readonly resolution: '480p' | '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly generate_audio: false;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly camera_fixed: true | false;
  };
  readonly 'replicate-seedance-2.0': {
    /** 4 to 15 */
    readonly duration: number;
    readonly resolution: '480p' | '720p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly generate_audio: true | false;
    /** 0 to 2147483647 */
    readonly seed: number;
  };
  readonly 'replicate-seedance-1-pro': {
    /** 2 to 12 */
    readonly duration: number;
    readonly resolution: '480p' | '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    /** 0 to 2147483647 */
    readonly seed: number;
    readonly camera_fixed: true | false;
  };
  readonly 'replicate-veo-3.1': {
    readonly duration: 4 | 6 | 8;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly negative_prompt: string;
    readonly image: string;
    readonly generate_audio: true | false;
    /** 0 to 2147483647 */
    readonly seed: number;
  };
  readonly 'replicate-veo-3.1-fast': {
    readonly duration: 4 | 6 | 8;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly negative_prompt: string;
    readonly image: string;
    readonly generate_audio: true | false;
    /** 0 to 2147483647 */
    readonly seed: number;
  };
  readonly 'sora-2': {
    readonly duration: 4 | 5 | 8 | 10 | 12 | 15 | 16 | 20;
    readonly resolution: '480p' | '720p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly image: string;
    readonly video_url: string;
    readonly generate_audio: true;
  };
  readonly 'sora-2-pro': {
    readonly duration: 4 | 5 | 8 | 10 | 12 | 15 | 16 | 20;
    readonly resolution: '480p' | '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly image: string;
    readonly video_url: string;
    readonly generate_audio: true;
  };
  readonly 'comfyui-wan2.2-5b': {
    /** 1 to 5 */
    readonly duration: number;
    readonly resolution: '720p';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly negative_prompt: string;
    readonly image: string;
    /** 0 to 4294967295 */
    readonly seed: number;
  };
  readonly 'kling-v3': {
    /** 3 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly image: string;
    readonly generate_audio: true | false;
    readonly watermark: true | false;
  };
  readonly 'kling-v2-6': {
    readonly duration: 5 | 10;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: true | false;
    readonly watermark: true | false;
  };
  readonly 'kling-v2-5-turbo': {
    readonly duration: 5 | 10;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly image: string;
    readonly last_frame: string;
    readonly watermark: true | false;
  };
  readonly 'kling-v1-6': {
    readonly duration: 5 | 10;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1';
    readonly negative_prompt: string;
    readonly image: string;
    readonly last_frame: string;
    readonly video_url: string;
    readonly watermark: true | false;
  };
  readonly 'ltx-2-5-fast': {
    readonly duration: 6 | 8 | 10 | 12 | 14 | 16 | 18 | 20;
    readonly resolution: '720p' | '1080p' | '4k';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: true | false;
  };
  readonly 'ltx-2-5-pro': {
    readonly duration: 6 | 8 | 10;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: true | false;
  };
  readonly 'ltx-2-3-fast': {
    readonly duration: 6 | 8 | 10 | 12 | 14 | 16 | 18 | 20;
    readonly resolution: '720p' | '1080p' | '4k';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: true | false;
  };
  readonly 'ltx-2-3-pro': {
    readonly duration: 6 | 8 | 10;
    readonly resolution: '720p' | '1080p' | '4k';
    readonly aspect_ratio: '16:9' | '9:16';
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: true | false;
  };
  readonly 'luma-ray-2': {
    readonly duration: 5 | 9;
    readonly resolution: '720p' | '1080p' | '4k';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly last_frame: string;
  };
  readonly 'luma-ray-flash-2': {
    readonly duration: 5 | 9;
    readonly resolution: '720p' | '1080p' | '4k';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4' | '21:9';
    readonly image: string;
    readonly last_frame: string;
  };
  readonly 'pixverse-v6': {
    /** 1 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '4:3' | '3:4' | '1:1' | '21:9';
    readonly image: string;
    readonly generate_audio: true | false;
    /** 0 to 2147483647 */
    readonly seed: number;
  };
  readonly 'pixverse-c1': {
    /** 1 to 15 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '4:3' | '3:4' | '1:1' | '21:9';
    readonly image: string;
    readonly generate_audio: false;
    /** 0 to 2147483647 */
    readonly seed: number;
  };
  readonly 'runway-gen4.5': {
    /** 2 to 10 */
    readonly duration: number;
    readonly resolution: '720p';
    readonly aspect_ratio: '16:9' | '9:16' | '4:3' | '3:4' | '1:1' | '21:9';
    readonly image: string;
    /** 0 to 4294967295 */
    readonly seed: number;
  };
  readonly 'runway-gen4-turbo': {
    /** 2 to 10 */
    readonly duration: number;
    readonly resolution: '720p';
    readonly aspect_ratio: '16:9' | '9:16' | '4:3' | '3:4' | '1:1' | '21:9';
    readonly image: string;
    /** 0 to 4294967295 */
    readonly seed: number;
  };
  readonly 'vidu-q3-pro': {
    /** 1 to 16 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly image: string;
    readonly last_frame: string;
    readonly generate_audio: true | false;
    /** 1 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
  };
  readonly 'vidu-q3-turbo': {
    /** 1 to 16 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly image: string;
    readonly last_frame: string;
    readonly references: References<'image'>;
    readonly generate_audio: true | false;
    /** 1 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'vidu-q3': {
    /** 3 to 16 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly references: References<'image'>;
    readonly generate_audio: true | false;
    /** 1 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
  };
  readonly 'vidu-q3-mix': {
    /** 3 to 16 */
    readonly duration: number;
    readonly resolution: '720p' | '1080p';
    readonly aspect_ratio: '16:9' | '9:16' | '1:1' | '4:3' | '3:4';
    readonly references: References<'image'>;
    readonly generate_audio: true | false;
    /** 1 to 2147483647 */
    readonly seed: number;
    readonly watermark: true | false;
    readonly reference_images: readonly string[];
  };
}
