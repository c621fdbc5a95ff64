import { Refusal } from '../core/http/answer.ts';
import type { VideoSpec } from '../core/jobs/job.ts';

/** A graph in API format: nodes by id. An input is a value, or the id of a node and the number of its output. */
export type Workflow = Readonly<Record<string, WorkflowNode>>;

interface WorkflowNode {
  readonly class_type?: unknown;
  readonly inputs?: Readonly<Record<string, unknown>>;
}

/**
 * The nodes that this server has, with their required inputs: those of the template `video_wan2_2_5B_ti2v` (comfyui-workflow-templates-json
 * 0.1.123). A list has the values that an input takes.
 */
const NODES: Readonly<Record<string, Readonly<Record<string, readonly string[] | undefined>>>> = {
  UNETLoader: { unet_name: ['wan2.2_ti2v_5B_fp16.safetensors'], weight_dtype: undefined },
  CLIPLoader: { clip_name: ['umt5_xxl_fp8_e4m3fn_scaled.safetensors'], type: undefined },
  VAELoader: { vae_name: ['wan2.2_vae.safetensors'] },
  ModelSamplingSD3: { model: undefined, shift: undefined },
  CLIPTextEncode: { text: undefined, clip: undefined },
  LoadImage: { image: undefined },
  Wan22ImageToVideoLatent: {
    vae: undefined,
    width: undefined,
    height: undefined,
    length: undefined,
    batch_size: undefined,
  },
  KSampler: {
    model: undefined,
    positive: undefined,
    negative: undefined,
    latent_image: undefined,
    seed: undefined,
    steps: undefined,
    cfg: undefined,
    sampler_name: undefined,
    scheduler: undefined,
    denoise: undefined,
  },
  VAEDecode: { samples: undefined, vae: undefined },
  CreateVideo: { images: undefined, fps: undefined },
  SaveVideo: { video: undefined, filename_prefix: undefined, format: undefined },
};
const OUTPUT_NODE = 'SaveVideo';

/** `execution.py`, ExecutionBlocked and validate_prompt: `{"error": {type, message, details, extra_info}, "node_errors": {}}`. */
export const refused = (type: string, message: string, details: string, nodeErrors = {}): Refusal =>
  new Refusal({
    status: 400,
    body: { error: { type, message, details, extra_info: {} }, node_errors: nodeErrors },
  });

/** What a workflow asks for. */
export interface Asked {
  readonly prompt: string;
  readonly video: VideoSpec;
  readonly seed: number;
  /** The node that saves the video. */
  readonly saving: string;
  readonly prefix: string;
  /** The name of the image that it begins with. */
  readonly image: string | undefined;
}

/** `validate_prompt`, and what the nodes would do. */
export function readWorkflow(workflow: Workflow): Asked {
  for (const [id, { class_type: name }] of Object.entries(workflow)) {
    if (name === undefined)
      throw refused(
        'invalid_prompt',
        'Cannot execute because a node is missing the class_type property.',
        `Node ID '#${id}'`,
      );
    if (typeof name !== 'string' || !NODES[name])
      throw refused(
        'missing_node_type',
        `Cannot execute because node ${String(name)} does not exist.`,
        `Node ID '#${id}'`,
      );
  }
  const [saving] = Object.entries(workflow).find(([, node]) => node.class_type === OUTPUT_NODE) ?? [];
  if (saving === undefined) throw refused('prompt_no_outputs', 'Prompt has no outputs', '');
  const problems = Object.entries(workflow).flatMap(([id, node]) => problemsOf(id, node));
  if (problems.length > 0)
    throw refused(
      'prompt_outputs_failed_validation',
      'Prompt outputs failed validation',
      problems.map(({ message, details }) => `${message}: ${details}`).join('\n'),
      Object.fromEntries(problems.map(({ id, ...error }) => [id, { errors: [error] }])),
    );
  return askedBy(workflow, saving);
}

function problemsOf(id: string, { class_type: name, inputs = {} }: WorkflowNode) {
  return Object.entries(NODES[String(name)] ?? {}).flatMap(([input, allowed]) => {
    const value = inputs[input];
    if (value === undefined)
      return [{ id, type: 'required_input_missing', message: 'Required input is missing', details: input }];
    if (!allowed || allowed.includes(String(value))) return [];
    const details = `${input}: '${String(value)}' not in [${allowed.map((one) => `'${one}'`).join(', ')}]`;
    return [{ id, type: 'value_not_in_list', message: 'Value not in list', details }];
  });
}

function askedBy(workflow: Workflow, saving: string): Asked {
  const input = (node: WorkflowNode | undefined, name: string): unknown => node?.inputs?.[name];
  const from = (node: WorkflowNode | undefined, name: string): WorkflowNode | undefined => {
    const link = input(node, name);
    return Array.isArray(link) ? workflow[String(link[0])] : undefined;
  };
  const save = workflow[saving];
  const video = from(save, 'video');
  const sampler = from(from(video, 'images'), 'samples');
  const latent = from(sampler, 'latent_image');
  const number = (node: WorkflowNode | undefined, name: string) => Number(input(node, name));
  const image = input(from(latent, 'start_image'), 'image');
  return {
    prompt: String(input(from(sampler, 'positive'), 'text')),
    video: {
      width: number(latent, 'width'),
      height: number(latent, 'height'),
      seconds: Math.max(1, Math.round(number(latent, 'length') / number(video, 'fps'))),
      audio: false,
    },
    seed: number(sampler, 'seed'),
    saving,
    prefix: String(input(save, 'filename_prefix')),
    image: image === undefined ? undefined : String(image),
  };
}
