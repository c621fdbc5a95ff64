/** What clients are asked to do. Where a client cannot download, its script fetches the link of the answer, if it has one. */
export const CALLS = [
  'create',
  'poll',
  'list',
  'download',
  'link',
  'cancel',
  'delete',
  'webhook',
  'refusals',
] as const;
export type Call = (typeof CALLS)[number];

/** A client that did all that its script asks of it at one simulator. */
export interface Row {
  /** The simulator's title. */
  readonly title: string;
  readonly model: string;
  readonly package: string;
  readonly version: string;
  readonly language: 'Python' | 'Node';
  readonly calls: ReadonlySet<Call>;
}

const COLUMNS: Readonly<Record<string, (calls: ReadonlySet<Call>) => string>> = {
  create: mark('create'),
  poll: mark('poll'),
  list: mark('list'),
  download: (calls) => {
    if (calls.has('download')) return 'yes';
    return calls.has('link') ? 'by the link' : 'in the answer';
  },
  cancel: mark('cancel'),
  delete: mark('delete'),
  'webhook verified': mark('webhook'),
  'refusals raised': mark('refusals'),
};

function mark(call: Call): (calls: ReadonlySet<Call>) => string {
  return (calls) => (calls.has(call) ? 'yes' : '–');
}

/** The page that shows the results: docs/compatibility.md. */
export function compatibilityPage(rows: readonly Row[]): string {
  const table = [
    ['simulator', 'model', 'client', ...Object.keys(COLUMNS)],
    Array(3 + Object.keys(COLUMNS).length).fill('---'),
    ...rows
      .toSorted((a, b) => a.title.localeCompare(b.title))
      .map(({ title, model, package: name, version, language, calls }) => [
        title,
        `\`${model}\``,
        `\`${name}\` ${version}, ${language}`,
        ...Object.values(COLUMNS).map((cell) => cell(calls)),
      ]),
  ];
  return `# Clients that were tried

The gateway is tested against simulators of the providers (\`packages/simulators\`), because no test may cost money. The simulators are written from the
providers' documentation. That they behave like the providers is shown by clients that others wrote: the providers' own SDKs and LiteLLM, unmodified, with
HTTPS. CI installs each of them and has it make a video, which must have the requested size and length, and do whatever else it can.

This page is written by \`npm test -- sdks -u\` from what worked. Without \`-u\`, and in CI, the test fails if the page says anything else. Python, npm or their
package indexes may be missing on a machine; then the test is skipped there, but not in CI.

${table.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}

- "–": the client or the service has no such call, or the simulator lacks it: webhooks of fal and Replicate, deleting files of the Gemini API.
- Poll: until the job is done, with the client's own helper where it has one.
- Download: "by the link" where the client leaves it to its user, "in the answer" where the service sends the video with the status.
- Cancel: also by deleting, where the service has no other way.
- Refusals: wrong parameters, a wrong key, a missing job or rejected content end in the client's own exception or error code.

Not in the table:

- xAI, whose SDK uses gRPC, which the simulator does not speak; like MiniMax, fal and Replicate, it is driven by the AI SDK's package, through which
  [the gateway uses it](providers/ai-sdk.md).
- Kling, Vidu, PixVerse and LTX, whose makers publish no SDK for their APIs, and ComfyUI, whose clients the simulator was not tried with. Their simulators were written from the documents that each file names.
- Veo at the Gemini API with versions 3 of \`google-genai\` and \`@google/genai\`: there they make videos only with Gemini Omni.
- The gateway itself. \`openai\` (Python and Node) and \`litellm\` make videos at its [\`/v1/videos\`](openai-api.md), with the built-in model and with Sora 2, in the test beside
  this one; Schemathesis tests its own API against its OpenAPI document.
`;
}
