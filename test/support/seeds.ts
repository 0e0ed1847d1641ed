/** What docs/SEEDS.md names: test files, titles in them, files of the repository, commands with their options. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './repository.ts';

/** A test file as the page writes it, such as `broker/collection`, and the titles that stand behind it. */
export interface NamedTest {
  name: string;
  titles: string[];
}

export interface NamedCommand {
  /** All words behind `countersign`. */
  words: string[];
}

export interface Seeds {
  tests: NamedTest[];
  commands: NamedCommand[];
  /** Whatever has a slash and no space: a file or folder, or a test. */
  paths: string[];
  benches: string[];
}

/** @param verbs the words that a code span may begin with to be a command */
export function readSeeds(verbs: ReadonlySet<string>): Seeds {
  const text = readFileSync(join(repository, 'docs/SEEDS.md'), 'utf8');
  const shown = [...text.matchAll(/^```console\n([\s\S]*?)^```$/gm)].flatMap(([, block]) => linesOf(block!));
  const prose = text.replace(/^```[\s\S]*?^```$/gm, '').replace(/\]\([^)]*\)/g, ']');
  const rows = prose.split('\n').filter((line) => line.startsWith('| '));
  const cells = rows.map((row) => row.split('|').map((cell) => cell.trim()));
  const sentences = prose.split('\n').filter((line) => !line.startsWith('|'));
  const spans = spansOf(sentences.join(' '));
  const called = [...shown, ...spans].filter((line) => verbs.has(line.split(/\s+/)[0]!));
  return {
    tests: cells.flatMap((cell) => testsOf(cell[3]!)),
    commands: [
      ...called.map((line) => ({ words: line.trim().split(/\s+/) })),
      ...cells.flatMap((cell) => commandsOf(`${cell[2]} ${cell[3]}`, verbs)),
    ],
    paths: [...cells.flatMap((cell) => spansOf(cell[2]!)), ...spans].filter((span) =>
      /^[a-z][\w.-]*(\/[\w.-]+)+$/.test(span),
    ),
    benches: [...text.matchAll(/npm run bench -- ([a-z-]+)/g)].map(([, name]) => name!),
  };
}

/** Commands of a block, without the prompt; a line may go on behind a backslash. */
function linesOf(block: string): string[] {
  const lines = block.replaceAll('\\\n', ' ').split('\n');
  return lines.filter((line) => line.startsWith('$ countersign ')).map((line) => line.slice('$ countersign '.length));
}

function spansOf(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, span]) => span!);
}

function testsOf(cell: string): NamedTest[] {
  const found: NamedTest[] = [];
  for (const [, name, title] of cell.matchAll(/`([^`]+)`|"([^"]+)"/g)) {
    if (name !== undefined && /^[a-z0-9/.-]+$/.test(name)) found.push({ name, titles: [] });
    else if (title !== undefined) found.at(-1)!.titles.push(title.replace(/[\s,;]*…$/, ''));
  }
  return found;
}

/** `publish --mandatory` or `--optional`: an option alone belongs to the command before it. */
function commandsOf(cell: string, verbs: ReadonlySet<string>): NamedCommand[] {
  const found: NamedCommand[] = [];
  for (const span of spansOf(cell)) {
    const words = span.split(/\s+/);
    if (verbs.has(words[0]!)) found.push({ words });
    else if (span.startsWith('--')) found.at(-1)!.words.push(...words);
  }
  return found;
}

/** Read once: what is compiled lies among them, some thousand files. */
let sources: string[] | undefined;

/** Files under test/ that a name of the page can mean, relative to test/: one, if the name is a good one. */
export function filesOf(name: string): string[] {
  sources ??= readdirSync(join(repository, 'test'), { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.ts') && !path.includes('dist/'),
  );
  const ends = [`/${name}.test.ts`, `/${name}.ts`];
  return sources.filter((path) => ends.some((end) => `/${path}`.endsWith(end)));
}
