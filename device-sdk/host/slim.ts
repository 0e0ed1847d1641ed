/**
 * For bundles of small devices: the SDK without the sentences of its refusals, and with short names for what only its own
 * modules call by name. Codes, checks and their order stay; docs/REFUSALS.md says what each code means.
 *
 * @example
 * import { build } from 'esbuild';
 * import { slim } from '@countersign/device-sdk/host/slim';
 * await build({ entryPoints: ['app.js'], outfile: 'device.js', bundle: true, minify: true, format: 'esm', ...slim() });
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** What is handed to esbuild; in its words, so that the SDK does not depend on it. */
export interface SlimOptions {
  plugins: { name: string; setup(build: PluginBuild): void }[];
  mangleProps: RegExp;
}

interface PluginBuild {
  onLoad(
    options: { filter: RegExp },
    load: (file: { path: string }) => Promise<{ contents: string; loader: 'js' } | undefined>,
  ): void;
}

/**
 * Properties that only modules of the SDK call by name. None is named in a port, an event or a message of the network, nor
 * is one a word that an application could use in a JSON of its own. What {@link Device.state} shows is called by its long
 * names in code of the same bundle; as JSON it would show the short ones.
 */
const INTERNAL = `
  attemptsMax bankBytes blockBytes blockEnd chainHead checkpointBits demandNeverUsed demandNone demandOpen failedBranches
  fellBack frameBytes frameCount frameIndex headAgeMax headDigest headerBytes imageBytes inPlace indexProof indexRoot
  learnedEntries leafHash lookaheadBits manifestDigest modelBytes newBytes newImage newestFirst oldBytes oldImage oldOffset
  outputOffset pageBits previousLeaf protectedBytes releaseLeaf resender rolloutId rolloutSequence rootVersion slotBytes
  streamOffset suitDigest windowBits workspaceBytes
`;

export function slim(): SlimOptions {
  const names = INTERNAL.trim().split(/\s+/);
  return { plugins: [{ name: 'countersign-slim', setup }], mangleProps: new RegExp(`^(?:${names.join('|')})$`) };
}

const ROOT = fileURLToPath(new URL('../src/', import.meta.url));
/** Where demand and Refusal are made: an application's own sentences pass through here. */
const ERRORS = `${ROOT}errors.js`;

function setup(build: PluginBuild): void {
  build.onLoad({ filter: /\.js$/ }, async ({ path }) => {
    if (!path.startsWith(ROOT) || path === ERRORS) return undefined;
    return { contents: withoutSentences(await readFile(path, 'utf8')), loader: 'js' };
  });
}

/** Calls that are told what they look at, for a sentence: the place of that argument. */
const TOLD: Readonly<Record<string, number>> = {
  ...{ demand: 2, Refusal: 1, sameBytes: 2, readSigned: 2 },
  ...{ asArray: 1, asBytes: 1, asUint: 1, asInt: 1, asText: 1, asMap: 1, asExactMap: 1, asTagged: 1, unwrap: 1 },
};

/**
 * A module of the SDK without its sentences: an argument that ends its call goes, another becomes an empty text. The
 * modules are those that a TypeScript compiler wrote, so texts, templates, comments and regular expressions are all that
 * a parenthesis can hide in.
 */
export function withoutSentences(code: string): string {
  const cuts: Cut[] = [];
  for (let at = 0; at < code.length; at = after(code, at)) {
    const name = calledAt(code, at);
    const cut = name !== undefined && argumentAt(code, at + name.length + 1, TOLD[name]!);
    if (cut) cuts.push(cut);
  }
  cuts.sort((a, b) => a.from - b.from);
  let made = '';
  let copied = 0;
  for (const { from, to } of cuts) {
    if (from < copied) continue; // within a sentence that is gone
    const last = /^,?\s*\)/.test(code.slice(to, to + 40));
    made += code.slice(copied, last ? from - 1 : from) + (last ? '' : '""');
    copied = last ? code.indexOf(')', to) : to;
  }
  return made + code.slice(copied);
}

interface Cut {
  from: number;
  to: number;
}

/** The name of a call of {@link TOLD} that begins here; a declaration is none. */
function calledAt(code: string, at: number): string | undefined {
  if (!/[adRsu]/.test(code[at]!) || /[\w$.#]/.test(code[at - 1] ?? '')) return undefined;
  const name = /^\w+(?=\()/.exec(code.slice(at, at + 12))?.[0];
  if (name === undefined || !Object.hasOwn(TOLD, name) || code.slice(at - 9, at) === 'function ') return undefined;
  return name;
}

/** Where an argument stands, counted from 0; undefined where a call has fewer. */
function argumentAt(code: string, open: number, number: number): Cut | undefined {
  let depth = 0;
  let from = open;
  let count = 0;
  for (let at = open; at < code.length; at = after(code, at)) {
    const char = code[at]!;
    const ends = depth === 0 && (char === ',' || char === ')');
    if (ends && count === number) return { from, to: at };
    if (ends && char === ')') return undefined;
    if (ends) {
      count++;
      from = at + 1;
    }
    if ('([{'.includes(char)) depth++;
    if (')]}'.includes(char)) depth--;
  }
  throw new SyntaxError('a call without an end');
}

/** The place behind the token that begins at `at`, as far as texts, comments and regular expressions go. */
function after(code: string, at: number): number {
  const char = code[at]!;
  if (char === '/' && code[at + 1] === '/') return endOf(code, at, '\n');
  if (char === '/' && code[at + 1] === '*') return endOf(code, at + 2, '*/');
  if (char === '/' && /[(,=:[!&|?{};]\s*$/.test(code.slice(Math.max(0, at - 8), at))) return quoted(code, at, '/');
  if (char === "'" || char === '"') return quoted(code, at, char);
  return char === '`' ? template(code, at) : at + 1;
}

function endOf(code: string, at: number, mark: string): number {
  const found = code.indexOf(mark, at);
  return found < 0 ? code.length : found + mark.length;
}

/** In a class of a regular expression its own end mark stands for itself. */
function quoted(code: string, start: number, mark: string): number {
  let inClass = false;
  for (let at = start + 1; at < code.length; at++) {
    if (code[at] === '\\') at++;
    else if (code[at] === mark && !inClass) return at + 1;
    else if (mark === '/' && code[at] === '[') inClass = true;
    else if (mark === '/' && code[at] === ']') inClass = false;
  }
  throw new SyntaxError('a text without an end');
}

function template(code: string, start: number): number {
  for (let at = start + 1; at < code.length; at++) {
    if (code[at] === '\\') at++;
    else if (code[at] === '`') return at + 1;
    else if (code[at] === '$' && code[at + 1] === '{') at = argumentEnd(code, at + 2);
  }
  throw new SyntaxError('a template without an end');
}

/** The brace that ends what stands within a template. */
function argumentEnd(code: string, open: number): number {
  let depth = 0;
  for (let at = open; at < code.length; at = after(code, at)) {
    if (code[at] === '{') depth++;
    if (code[at] === '}' && depth-- === 0) return at;
  }
  throw new SyntaxError('a template without an end');
}
