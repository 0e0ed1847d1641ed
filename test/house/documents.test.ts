/** Code blocks in documents are run or checked, and what documents link to exists. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { ROLES } from '@countersign/device-sdk/format';
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
  const shown = documents()
    .flatMap(blocksOf)
    .filter(({ language }) => language === 'sh' || language === 'console')
    .flatMap(({ text }) => text.replaceAll('\\\n', ' ').split('\n'))
    .flatMap((line) => [...line.matchAll(/(?:^|\$ +|npx |do |\w=\S+ )countersign ([^;|]*)/g)])
    .map(([, words]) => words!.split(/\s+/));
  t.true(shown.length > 100);
  for (const words of shown) {
    const verb = await verbOf(words);
    const help = await helpOf(...verb);
    const program = words.indexOf('--');
    for (const option of program < 0 ? words : words.slice(0, program))
      if (option.startsWith('--'))
        t.regex(help, new RegExp(`${option.split('=')[0]}(?![\\w-])`), `countersign ${words.join(' ')}`);
  }
});

/** The words that name a verb: as many as there are verbs within verbs. */
async function verbOf(words: readonly string[], path: readonly string[] = []): Promise<readonly string[]> {
  const next = words[path.length];
  if (next === undefined || !namesIn(await helpOf(...path)).has(next)) return path;
  return verbOf(words, [...path, next]);
}

const asked = new Map<string, Promise<string>>();

function helpOf(...verb: readonly string[]): Promise<string> {
  const key = verb.join(' ');
  if (!asked.has(key))
    asked.set(
      key,
      runHere(...verb, '--help').then(({ stdout }) => stdout),
    );
  return asked.get(key)!;
}

test('every verb is told of in some document', async (t) => {
  const told = documents()
    .map((document) => readFileSync(join(repository, document), 'utf8'))
    .join('\n')
    .replace(/\s+/g, ' ');
  const ask = async (...path: string[]): Promise<void> => {
    const help = await helpOf(...path);
    const name = path.join(' ');
    if (name !== '') t.regex(told, new RegExp(`(countersign |\`)${name}(?![\\w-])`), `countersign ${name}`);
    for (const next of namesIn(help)) if (next !== 'help') await ask(...path, next);
  };
  await ask();
});

test('the map names every room, and only rooms that there are', (t) => {
  const map = readFileSync(join(repository, 'docs/ARCHITECTURE.md'), 'utf8');
  const named = new Set([...map.matchAll(/`([\w./-]+)`/g)].map(([, name]) => name!));
  const names = (...ways: string[]) => ways.some((way) => named.has(way) || named.has(`${way}/`));
  for (const floor of ['device-sdk/src', 'broker/src', 'simulator/src', 'test'])
    for (const room of foldersOf(floor)) t.true(names(room, `${floor}/${room}`), `the map names ${floor}/${room}`);
  for (const room of ['device-sdk/host', ...foldersOf('broker/src').map((name) => `broker/src/${name}`)])
    for (const inner of foldersOf(room))
      t.true(names(`${room.split('/').at(-1)}/${inner}`, `${room}/${inner}`), `the map names ${room}/${inner}`);
  const places = ['', 'device-sdk/', 'device-sdk/src/', 'broker/src/', 'simulator/src/'];
  const paths = [...named].filter((name) => /^[a-z].*\/|\.ts$/.test(name));
  for (const path of paths)
    t.true(
      places.some((place) => existsSync(join(repository, place, path))),
      `the map names ${path}`,
    );
});

function foldersOf(path: string): string[] {
  const entries = readdirSync(join(repository, path), { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory() && entry.name !== 'dist').map(({ name }) => name);
}

test('every test, command, file and bench that docs/SEEDS.md names exists', async (t) => {
  const verbs = namesIn(await helpOf());
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
  for (const { words } of commands) {
    const group = await helpOf(words[0]!);
    const second = /^[a-z]+$/.test(words[1] ?? '') && /^Commands:$/m.test(group) ? words[1]! : undefined;
    if (second !== undefined) t.true(namesIn(group).has(second), `there is no ${words[0]} ${second}`);
    const help = second === undefined ? group : await helpOf(words[0]!, second);
    const options = words.filter((word) => word.startsWith('--'));
    for (const option of options) t.regex(help, new RegExp(`${option}(?![\\w-])`), `countersign ${words.join(' ')}`);
  }
});

test('THREATS says of the key of every role, and of every other kind of key, what its thief can do', (t) => {
  const text = readFileSync(join(repository, 'docs/THREATS.md'), 'utf8');
  const [, section = ''] = text.split('## What a thief of one key can do');
  const rows = section
    .split('\n## ')[0]!
    .split('\n')
    .filter((line) => line.startsWith('| '));
  const first = rows.map((row) => row.split('|')[1]!);
  for (const role of ROLES)
    t.true(
      first.some((cell) => cell.includes(`\`${role}\``)),
      role,
    );
  const others = [
    ...["a person's", "a device's", "a grant's", 'on a list', "a factory's certificate", "a factory's authority's"],
    ...[
      'key generation centre',
      'a token of the API',
      'client-token',
      'authenticator',
      'a bundle',
      'TLS key of a server',
    ],
    ...['TLS key of a gateway', 'a provisioning record', 'a passphrase'],
  ];
  for (const kind of others)
    t.true(
      first.some((cell) => cell.includes(kind)),
      kind,
    );
  for (const row of rows) t.is(row.split('|').length, 5, `three cells: ${row.slice(0, 60)}`);
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
  return new Set([...list.matchAll(/^ {2}([a-z][a-z-]*)\b/gm)].map(([, name]) => name!));
}
