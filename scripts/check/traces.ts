/** Something that must not be in a tracked file. */
interface Trace {
  readonly what: string;
  readonly pattern: RegExp;
}

const TRACES: readonly Trace[] = [
  { what: "a machine's own path", pattern: /(?<![\w.~-])\/(?:root|home\/\w+|Users\/\w+)\/[\w.-]+/ },
  { what: "a machine's own path", pattern: /\b[A-Z]:\\Users\\/ },
  { what: 'the address of a package', pattern: /"resolved":\s*"https?:/ },
  {
    what: "a package registry's host",
    pattern: /\b(?:registry\.(?:npmjs|yarnpkg|npmmirror)|npm\.pkg\.github)\.(?:org|com)\b/,
  },
  { what: 'a private key', pattern: /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/ },
  { what: 'an AWS key', pattern: /\bAKIA[0-9A-Z]{16}\b/ },
  { what: 'a Google key', pattern: /\bAIza[\w-]{35}\b/ },
  { what: 'a GitHub token', pattern: /\bgh[pousr]_\w{36}/ },
  { what: 'an API key', pattern: /\bsk-(?:proj-|ant-|live-)?(?=\w*\d)(?=\w*[A-Za-z])\w{32,}\b/ },
];

/** Text that should not be published, as `line: what`; `ownPaths` are folders of this machine. */
export function findTraces(text: string, ownPaths: readonly string[] = []): string[] {
  return text.split('\n').flatMap((line, index) => {
    const found = TRACES.filter(({ pattern }) => pattern.test(line)).map(({ what }) => what);
    if (ownPaths.some((path) => line.includes(path))) found.push("a machine's own path");
    return [...new Set(found)].map((what) => `${index + 1}: ${what}`);
  });
}
