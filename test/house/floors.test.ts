/** The house rules that no compiler keeps: which floor imports which, no rings, what the ground floor must not know. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import test from 'ava';
import { repository } from '../support/repository.ts';

const FLOORS: Record<string, { folder: string; may: string[] }> = {
  'device-sdk': { folder: 'device-sdk', may: [] },
  broker: { folder: 'broker/src', may: ['@countersign/device-sdk', '@countersign/firmware-samples'] },
  simulator: {
    folder: 'simulator/src',
    may: ['@countersign/device-sdk', '@countersign/broker', '@countersign/firmware-samples'],
  },
};

/** The whole language of the ground floor: what a microcontroller port has to translate. */
const GROUND = ['device-sdk/src', 'device-sdk/rig'];
const GROUND_PACKAGES = ['@noble/curves', '@noble/hashes', 'tweetnacl'];
const FORBIDDEN =
  /\b(Date\.now|new Date|Math\.random|setTimeout|setInterval|setImmediate|process\.|console\.|require\(|Buffer\b|TextEncoder|TextDecoder|globalThis|performance\.)/;

interface Source {
  path: string;
  text: string;
  imports: { from: string; typeOnly: boolean }[];
}

function sourcesOf(folder: string): Source[] {
  const root = join(repository, folder);
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !/(^|\/)(dist|node_modules)\//.test(name))
    .map((name) => {
      const path = join(root, name);
      const text = readFileSync(path, 'utf8');
      return { path: relative(repository, path), text, imports: importsOf(text) };
    });
}

function importsOf(text: string): Source['imports'] {
  const found: Source['imports'] = [];
  const pattern =
    /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/g;
  for (const match of text.matchAll(pattern)) {
    found.push({ from: (match[2] ?? match[3])!, typeOnly: match[1] !== undefined });
  }
  return found;
}

/** The imported file inside the repository, or undefined for a package. */
function target(source: Source, from: string): string | undefined {
  if (!from.startsWith('.')) return undefined;
  return relative(repository, resolve(repository, dirname(source.path), from));
}

for (const [floor, { folder, may }] of Object.entries(FLOORS)) {
  test(`${floor} imports only floors below it`, (t) => {
    for (const source of sourcesOf(folder)) {
      for (const { from } of source.imports) {
        const inside = target(source, from);
        const own = inside === undefined || inside.startsWith(floor);
        const ours = from.startsWith('@countersign/');
        const allowed = !ours || may.some((name) => from === name || from.startsWith(`${name}/`));
        t.true(own && allowed, `${source.path} imports ${from}`);
        if (inside !== undefined) t.true(existsSync(join(repository, inside)), `${source.path} imports ${from}`);
      }
    }
  });
}

test('no two files import each other in a ring', (t) => {
  const sources = [...sourcesOf('device-sdk'), ...sourcesOf('broker/src'), ...sourcesOf('simulator/src')];
  const edges = new Map(
    sources.map((source) => [
      source.path,
      source.imports.map(({ from }) => target(source, from)).filter((path) => path !== undefined),
    ]),
  );
  t.true(edges.size > 50);
  const state = new Map<string, 'open' | 'done'>();
  const visit = (path: string, trail: string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      t.fail(`ring: ${[...trail.slice(trail.indexOf(path)), path].join(' → ')}`);
      return;
    }
    state.set(path, 'open');
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    state.set(path, 'done');
  };
  for (const path of edges.keys()) visit(path, []);
  t.pass();
});

test('the ground floor knows no Node, no clock, no randomness', (t) => {
  for (const folder of GROUND) {
    for (const source of sourcesOf(folder)) {
      for (const { from } of source.imports) {
        const allowed =
          from.startsWith('.') || GROUND_PACKAGES.some((name) => from === name || from.startsWith(`${name}/`));
        t.true(allowed, `${source.path} imports ${from}`);
      }
      const code = source.text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      const word = FORBIDDEN.exec(code);
      t.is(word, null, `${source.path} says ${word?.[0]}`);
    }
  }
});

/** Each room imports only those before it. */
const ROOMS = ['format', 'crypto', 'delta', 'verify', 'store', 'fetch', 'report', 'install', 'update'];
test('rooms of the ground floor import only rooms before them', (t) => {
  const roomOf = (path: string) => /^device-sdk\/src\/(\w+)\//.exec(path)?.[1];
  for (const source of sourcesOf('device-sdk/src')) {
    const room = roomOf(source.path);
    if (room === undefined) continue;
    t.true(ROOMS.includes(room), source.path);
    for (const { from } of source.imports) {
      const imported = roomOf(target(source, from) ?? '');
      if (imported === undefined) t.not(target(source, from), 'device-sdk/src/device.ts', source.path);
      else t.true(ROOMS.indexOf(imported) <= ROOMS.indexOf(room), `${source.path} imports ${from}`);
    }
  }
});

test('verify knows no deltas, delta knows no signatures', (t) => {
  for (const source of sourcesOf('device-sdk/src/verify')) {
    for (const { from } of source.imports) t.notRegex(from, /\/delta\//, source.path);
  }
  for (const source of sourcesOf('device-sdk/src/delta')) {
    for (const { from } of source.imports) t.notRegex(from, /verify|cose|statement|crypto/, source.path);
  }
});

test('collection and distribution never import each other, and only their own rooms import aedes, viem and IPFS packages', (t) => {
  for (const source of sourcesOf('broker/src/collection')) {
    for (const { from } of source.imports) t.notRegex(from, /distribution/, source.path);
  }
  for (const source of sourcesOf('broker/src/distribution')) {
    for (const { from } of source.imports) t.notRegex(from, /\.\.\/collection/, source.path);
  }
  for (const source of [...sourcesOf('broker/src'), ...sourcesOf('simulator/src'), ...sourcesOf('device-sdk')]) {
    const inDelivery = source.path.startsWith('broker/src/distribution/delivery/');
    for (const { from } of source.imports) if (from === 'aedes') t.true(inDelivery, `${source.path} imports aedes`);
    const inEvm = source.path.startsWith('broker/src/ledger/evm/');
    for (const { from } of source.imports) if (/^viem/.test(from)) t.true(inEvm, `${source.path} imports viem`);
    const inStore = source.path.startsWith('broker/src/store/');
    for (const { from } of source.imports)
      if (/^(multiformats|@ipld)/.test(from)) t.true(inStore, `${source.path} imports ${from}`);
  }
});

test('only the Fabric room imports packages of Fabric, and only its chaincode those that run it', (t) => {
  for (const source of [...sourcesOf('broker/src'), ...sourcesOf('simulator/src')]) {
    const room = source.path.startsWith('broker/src/ledger/fabric/');
    const chaincode = source.path.startsWith('broker/src/ledger/fabric/chaincode/');
    for (const { from } of source.imports) {
      if (/^(@hyperledger|@grpc)\//.test(from)) t.true(room && !chaincode, `${source.path} imports ${from}`);
      if (/^fabric-/.test(from)) t.true(chaincode, `${source.path} imports ${from}`);
      const entersRoom = !room && /\/fabric\//.test(target(source, from) ?? '');
      // The packages are there only where somebody installed them, so the room is loaded when it is used.
      if (entersRoom) t.true(source.text.includes(`import('${from}')`), `${source.path} must load ${from} lazily`);
    }
  }
});

test('no product code asks whether it is simulated, and the oracle calls no verification of the SDK', (t) => {
  for (const source of [...sourcesOf('device-sdk/src'), ...sourcesOf('broker/src')]) {
    t.notRegex(source.text, /\bsimulat(ed|ion)\b.*\?|if \(.*simulat/i, source.path);
  }
  for (const source of sourcesOf('simulator/src/oracle')) {
    for (const { from } of source.imports) t.notRegex(from, /device-sdk\/verify/, source.path);
  }
});

test('the entry points of the packages are the documented ones', (t) => {
  const read = (path: string) => JSON.parse(readFileSync(join(repository, path), 'utf8')) as Record<string, unknown>;
  const entries = Object.keys(read('device-sdk/package.json').exports as object);
  t.deepEqual(entries, [
    '.',
    './format',
    './verify',
    './delta',
    './delta/model',
    './decoders',
    './install',
    './one-slot',
    './provision',
    './crypto/*',
    './rig',
    './host/*',
  ]);
  t.is(read('device-sdk/package.json').sideEffects, false);
  t.false(existsSync(join(repository, 'device-sdk/host/index.ts')));
  const dependencies = Object.keys(read('device-sdk/package.json').dependencies as object);
  t.true(dependencies.length <= 3, 'the SDK has at most three dependencies');
});
