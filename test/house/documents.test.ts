/** Code blocks in documents are run or checked, and what documents link to exists. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { runHere } from '../support/command-here.ts';
import { repository } from '../support/repository.ts';
import { filesOf, readSeeds } from '../support/seeds.ts';

const run = promisify(execFile);

interface Block {
  document: string;
  language: string;
  attributes: string;
  text: string;
}

function documents(): string[] {
  const docs = readdirSync(join(repository, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name));
  return ['README.md', 'CONTRIBUTING.md', ...docs];
}

function blocksOf(document: string): Block[] {
  const text = readFileSync(join(repository, document), 'utf8');
  return [...text.matchAll(/^```(\w+)([^\n]*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    document,
    language: match[1]!,
    attributes: match[2]!.trim(),
    text: match[3]!,
  }));
}

test('links between documents lead somewhere', (t) => {
  for (const document of documents()) {
    const text = readFileSync(join(repository, document), 'utf8');
    for (const [, link] of text.matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)) {
      const path = join(dirname(document), link!);
      t.true(existsSync(join(repository, path)), `${document} links to ${relative('.', path)}`);
    }
  }
});

test('links to a section lead to a heading', (t) => {
  for (const document of documents()) {
    const text = readFileSync(join(repository, document), 'utf8');
    for (const [, link, anchor] of text.matchAll(/\]\((?!https?:)([^)#]*)#([^)]+)\)/g)) {
      const page = link === '' ? document : join(dirname(document), link!);
      t.true(headingsOf(page).has(anchor!), `${document} links to #${anchor} of ${page}`);
    }
  }
});

/** As GitHub and most other readers of Markdown name them. */
function headingsOf(document: string): Set<string> {
  const text = readFileSync(join(repository, document), 'utf8').replace(/^```[\s\S]*?^```$/gm, '');
  const name = (heading: string) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-');
  return new Set([...text.matchAll(/^#+ (.+)$/gm)].map((match) => name(match[1]!)));
}

test('programs in documents compile against the built packages, and run where they say what they print', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-documents-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const programs = documents()
    .flatMap(blocksOf)
    .filter(({ language }) => language === 'ts' || language === 'js');
  t.true(programs.length > 0);
  const files = programs.map((_, i) => join(folder, `block-${i}.ts`));
  for (const [i, { text }] of programs.entries()) writeFileSync(files[i]!, `${text}\nexport {};\n`);
  // A compiler takes a second to start: one for all.
  const tsc = join(repository, 'node_modules/typescript/bin/tsc');
  const typeRoots = ['--types', 'node', '--typeRoots', join(repository, 'node_modules/@types')];
  const options = ['--module', 'nodenext', '--target', 'es2023', '--strict', '--skipLibCheck', ...typeRoots];
  await run(process.execPath, [tsc, ...options, '--outDir', folder, ...files], { cwd: folder }).catch(({ stdout }) =>
    t.fail(`${programs.map(({ document }, i) => `block-${i} is in ${document}`).join('\n')}\n${stdout}`),
  );
  for (const [i, { document, attributes }] of programs.entries()) {
    const expected = /prints="([^"]*)"/.exec(attributes)?.[1];
    if (expected === undefined) continue;
    const { stdout } = await run(process.execPath, [files[i]!.replace(/\.ts$/, '.js')], { cwd: folder });
    t.is(stdout.trim(), expected, document);
  }
});

test('every verb and option that a document shows exists', async (t) => {
  const shown = new Map<string, Set<string>>();
  for (const block of documents().flatMap(blocksOf)) {
    if (block.language !== 'sh') continue;
    for (const line of block.text.replaceAll('\\\n', ' ').split('\n')) {
      const words = line.trim().split(/\s+/);
      const at = words.indexOf('countersign');
      if (at < 0) continue;
      const verb = words.slice(at + 1).filter((word, i) => i < 2 && /^[a-z]+$/.test(word));
      const options = words.filter((word) => word.startsWith('--')).map((word) => word.split('=')[0]!);
      const key = GROUPS.has(verb[0]!) ? verb.join(' ') : verb[0]!;
      shown.set(key, new Set([...(shown.get(key) ?? []), ...options]));
    }
  }
  t.true(shown.size > 5);
  for (const [verb, options] of shown) {
    const { stdout } = await runHere(...verb.split(' '), '--help');
    for (const option of options) t.true(stdout.includes(option), `countersign ${verb} has no ${option}`);
  }
});

/** Verbs whose second word is a verb of its own. */
const GROUPS = new Set(['rollout', 'delta', 'keys', 'devices', 'device', 'bundle']);

test('every test, command, file and bench that docs/SEEDS.md names exists', async (t) => {
  const verbs = namesIn((await runHere('--help')).stdout);
  const { tests, commands, paths, benches } = readSeeds(verbs);
  t.true(tests.length > 50 && commands.length > 50, `${tests.length} tests and ${commands.length} commands were read`);
  for (const { name, titles } of tests) {
    const files = filesOf(name);
    t.is(files.length, 1, `${name} is one file of ${files.join(', ') || 'none'}`);
    const text = readFileSync(join(repository, 'test', files[0]!), 'utf8');
    for (const title of titles) t.true(text.includes(title), `${name} has no test "${title}"`);
  }
  for (const path of paths)
    t.true(existsSync(join(repository, path)) || filesOf(path).length === 1, `${path} is there`);
  for (const name of benches) t.true(existsSync(join(repository, 'test/bench', `${name}.ts`)), `bench ${name}`);
  const asked = new Map<string, Promise<string>>();
  const helpOf = (...verb: string[]): Promise<string> => {
    const key = verb.join(' ');
    if (!asked.has(key))
      asked.set(
        key,
        runHere(...verb, '--help').then(({ stdout }) => stdout),
      );
    return asked.get(key)!;
  };
  for (const { words } of commands) {
    const group = await helpOf(words[0]!);
    const second = /^[a-z]+$/.test(words[1] ?? '') && /^Commands:$/m.test(group) ? words[1]! : undefined;
    if (second !== undefined) t.true(namesIn(group).has(second), `there is no ${words[0]} ${second}`);
    const help = second === undefined ? group : await helpOf(words[0]!, second);
    const options = words.filter((word) => word.startsWith('--'));
    for (const option of options) t.regex(help, new RegExp(`${option}(?![\\w-])`), `countersign ${words.join(' ')}`);
  }
});

test('every test file that a document names exists', (t) => {
  const named = documents().flatMap((document) => {
    const text = readFileSync(join(repository, document), 'utf8');
    return [...text.matchAll(/`(?:test\/)?([\w./-]+)\.test\.ts`/g)].map(([, name]) => ({ document, name: name! }));
  });
  t.true(named.length > 50);
  for (const { document, name } of named) t.true(filesOf(name).length > 0, `${document} names ${name}.test.ts`);
});

/** What a help text lists under its commands. */
function namesIn(help: string): Set<string> {
  const [, list = ''] = help.split(/^Commands:$/m);
  return new Set([...list.matchAll(/^ {2}([a-z]+)\b/gm)].map(([, name]) => name!));
}
