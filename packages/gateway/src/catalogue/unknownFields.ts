import { invalidRequest } from '../tasks/errors.ts';
import { nearest } from './validate/nearest.ts';
import { shown } from './words.ts';

/** More are counted, not listed. */
const LISTED = 10;

/** Names in the APIs of OpenAI, Kling, Runway, Luma, MiniMax, Vidu, Ark, DashScope, fal and Replicate, by the field that says the same here. */
const MEANT: Readonly<Record<string, string>> = {
  model: 'model_name model_id version engine',
  prompt: 'prompt_text text text_prompt description',
  negative_prompt: 'negative',
  duration: 'length video_length video_duration duration_in_seconds num_seconds',
  resolution: 'quality video_quality video_resolution',
  aspect_ratio: 'aspect video_aspect_ratio',
  image:
    'prompt_image img img_url input_image init_image start_image start_image_url start_frame first_image first_frame_image first_frame_image_url first_frame_url image_base64 image_data',
  last_frame:
    'image_tail tail_image tail_image_url end_image end_image_url end_frame final_frame last_image last_image_url last_frame_image_url last_frame_url',
  'image and last_frame': 'keyframes',
  'prompt and image': 'content messages',
  reference_images: 'reference_image reference_image_url',
  'reference_images or image': 'images image_list image_urls',
  'reference_images or references': 'reference_image_urls subject_reference subject_references elements',
  references: 'audio_url audio_urls video_urls videos media',
  video_url: 'video video_id video_uri source_video input_video remix_id remix_video_id',
  generate_audio: 'audio sound with_audio enable_audio has_audio audio_enabled',
  camera_fixed: 'camera_lock fixed_camera lock_camera static_camera',
  watermark: 'add_watermark watermark_enabled remove_watermark',
  prompt_extend:
    'enhance_prompt prompt_enhance prompt_enhancer prompt_optimizer prompt_expansion expand_prompt enable_prompt_expansion use_prompt_enhancer prompt_upsampling',
  webhook_url: 'callback callback_url callback_uri call_back_url notify_url notify_hook webhook',
  metadata: 'user user_id tags labels custom_id external_id external_task_id',
  provider_options: 'options extra extra_body extra_params provider_params',
};

/** What becomes of names that no field stands for, by the advice. */
const ADVICE: Readonly<Record<string, string>> = {
  'width and height go into size, such as "1280x720".': 'width height video_width video_height',
  'its members go into the body itself.': 'input inputs parameters config instances',
  'a task makes one video, so submit one for each.': 'n num_videos sample_count number_of_videos num_outputs',
  'choose with model and resolution.': 'mode',
  'an option that only one provider has goes into provider_options.':
    'cfg cfg_scale guidance guidance_scale steps num_inference_steps sampler scheduler strength motion motion_strength movement_amplitude camera camera_control camera_motion speed loop safety_checker enable_safety_checker content_moderation moderation loras',
  'send it as the header Idempotency-Key.': 'idempotency_key',
  'it goes into the query: ?wait=30.': 'wait wait_for',
};

/** `imageTail`, `image-tail` and `image_tail` are one name. */
const plain = (name: string): string =>
  name
    .slice(0, 64)
    .replace(/[^\p{L}\p{N}]/gu, '')
    .toLowerCase();

const byName = (table: typeof MEANT, textOf: (entry: string) => string): [string, string][] =>
  Object.entries(table).flatMap(([entry, names]) =>
    names.split(' ').map((name): [string, string] => [plain(name), textOf(entry)]),
  );

const didYouMean = (name: string): string => `did you mean ${name}?`;
/** Advice on names of other APIs, in small letters without separators. */
export const ADVICE_OF: ReadonlyMap<string, string> = new Map([
  ...byName(MEANT, didYouMean),
  ...byName(ADVICE, String),
]);

/** The error of a body with fields that are not `known`, with advice for each. */
export function unknownFields(names: readonly string[], known: readonly string[]): Error {
  const sentences = names
    .slice(0, LISTED)
    .map((name) => `There is no field ${shown(name)}: ${adviceOn(name, known) ?? 'remove it.'}`);
  const more = names.length > LISTED ? [`${names.length - LISTED} more are unknown.`] : [];
  return invalidRequest([...sentences, ...more].join(' '), names[0]?.slice(0, 64).toWellFormed());
}

/** What was probably meant by a name that is not `known`, as a question or a sentence; undefined if nothing is like it. */
export function adviceOn(name: string, known: readonly string[]): string | undefined {
  const spelling = known.find((one) => plain(one) === plain(name));
  if (spelling !== undefined) return didYouMean(spelling);
  const advice = ADVICE_OF.get(plain(name));
  if (advice !== undefined) return advice;
  // Other words may be spelled alike (`first_frame_image`, `last_frame_image`), so only a slip of the fingers counts.
  const [guess] = nearest(name, known, 1, name.length < 8 ? 1 : 2);
  return guess === undefined ? undefined : didYouMean(guess);
}
