/** A code sample of the reference page. */
interface Sample {
  readonly lang: 'Shell' | 'Python' | 'JavaScript';
  readonly label: string;
  readonly source: string;
}

const samples = (
  curl: string,
  python: string,
  javascript: string,
): { 'x-codeSamples': readonly Sample[] } => ({
  'x-codeSamples': [
    { lang: 'Shell', label: 'curl', source: curl.trim() },
    { lang: 'Python', label: 'Python', source: python.trim() },
    { lang: 'JavaScript', label: 'JavaScript', source: javascript.trim() },
  ],
});

export const SUBMIT_SAMPLES = samples(
  `
curl "$ONETAKE_URL/v1/video/generations" \\
  -H "Authorization: Bearer $ONETAKE_API_KEY" \\
  -H "Content-Type: application/json" \\
  -H "Idempotency-Key: $(uuidgen)" \\
  -d '{"model": "onetake-preview", "prompt": "a paper boat on a rainy street", "duration": 4}'
`,
  `
import os, uuid, requests

answer = requests.post(
    os.environ["ONETAKE_URL"] + "/v1/video/generations",
    headers={"Authorization": "Bearer " + os.environ["ONETAKE_API_KEY"], "Idempotency-Key": str(uuid.uuid4())},
    json={"model": "onetake-preview", "prompt": "a paper boat on a rainy street", "duration": 4},
)
answer.raise_for_status()
print(answer.json()["task_id"])
`,
  `
const answer = await fetch(\`\${process.env.ONETAKE_URL}/v1/video/generations\`, {
  method: 'POST',
  headers: {
    Authorization: \`Bearer \${process.env.ONETAKE_API_KEY}\`,
    'Content-Type': 'application/json',
    'Idempotency-Key': crypto.randomUUID(),
  },
  body: JSON.stringify({ model: 'onetake-preview', prompt: 'a paper boat on a rainy street', duration: 4 }),
});
console.log((await answer.json()).task_id);
`,
);

export const QUERY_SAMPLES = samples(
  `
# Held until the task has finished, or for 30 seconds.
curl "$ONETAKE_URL/v1/video/generations/$TASK_ID?wait=30" \\
  -H "Authorization: Bearer $ONETAKE_API_KEY"
`,
  `
import os, requests

url = os.environ["ONETAKE_URL"] + "/v1/video/generations/" + os.environ["TASK_ID"]
headers = {"Authorization": "Bearer " + os.environ["ONETAKE_API_KEY"]}
while True:
    task = requests.get(url, params={"wait": 30}, headers=headers).json()
    print(task["status"], task.get("progress"))
    if task["status"] in ("succeeded", "failed"):
        break
print(task.get("url") or task.get("error"))
`,
  `
const url = \`\${process.env.ONETAKE_URL}/v1/video/generations/\${process.env.TASK_ID}?wait=30\`;
const headers = { Authorization: \`Bearer \${process.env.ONETAKE_API_KEY}\` };
let task;
do {
  task = await (await fetch(url, { headers })).json();
  console.log(task.status, task.progress);
} while (task.status !== 'succeeded' && task.status !== 'failed');
console.log(task.url ?? task.error);
`,
);

export const CONTENT_SAMPLES = samples(
  `
curl "$ONETAKE_URL/v1/video/generations/$TASK_ID/content" \\
  -H "Authorization: Bearer $ONETAKE_API_KEY" -o video.mp4
`,
  `
import os, requests

url = os.environ["ONETAKE_URL"] + "/v1/video/generations/" + os.environ["TASK_ID"] + "/content"
with requests.get(url, headers={"Authorization": "Bearer " + os.environ["ONETAKE_API_KEY"]}, stream=True) as answer:
    answer.raise_for_status()
    with open("video.mp4", "wb") as file:
        for chunk in answer.iter_content(1 << 16):
            file.write(chunk)
`,
  `
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const answer = await fetch(\`\${process.env.ONETAKE_URL}/v1/video/generations/\${process.env.TASK_ID}/content\`, {
  headers: { Authorization: \`Bearer \${process.env.ONETAKE_API_KEY}\` },
});
await pipeline(Readable.fromWeb(answer.body), createWriteStream('video.mp4'));
`,
);
