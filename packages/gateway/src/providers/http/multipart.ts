import { randomUUID } from 'node:crypto';

interface EncodedForm {
  readonly contentType: string;
  readonly body: Buffer;
}

/**
 * A form as `multipart/form-data`, its texts as they are: `fetch` turns every line end in them into CRLF, as browsers do, and the
 * upstream would take the longer text for the prompt.
 */
export async function encodeForm(form: FormData): Promise<EncodedForm> {
  const boundary = `onetake-${randomUUID()}`;
  const parts: Buffer[] = [];
  for (const [name, value] of form) {
    const head = `--${boundary}\r\ncontent-disposition: form-data; name="${quoted(name)}"`;
    if (typeof value === 'string') {
      parts.push(Buffer.from(`${head}\r\n\r\n${value}\r\n`));
      continue;
    }
    const file = `; filename="${quoted(value.name)}"\r\ncontent-type: ${value.type || 'application/octet-stream'}`;
    parts.push(
      Buffer.from(`${head}${file}\r\n\r\n`),
      Buffer.from(await value.arrayBuffer()),
      Buffer.from('\r\n'),
    );
  }
  parts.push(Buffer.from(`--${boundary}--\r\n`));
  return { contentType: `multipart/form-data; boundary=${boundary}`, body: Buffer.concat(parts) };
}

/** HTML Standard, "Multipart form data": what would end the value of a parameter. */
const quoted = (value: string): string =>
  value.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
