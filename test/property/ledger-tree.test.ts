/** The log's tree against the definition of RFC 9162, and against the device's own verification. */
import { ClassIndex } from '@countersign/broker/ledger/log/class-index';
import { Frontier } from '@countersign/broker/ledger/log/frontier';
import { type TileStore, Tiles } from '@countersign/broker/ledger/log/tiles';
import {
  checkConsistency,
  hex,
  indexLeaf,
  leafHash,
  rootFromInclusion,
  unhex,
  utf8,
} from '@countersign/device-sdk/format';
import test from 'ava';
import fc from 'fast-check';
import { outsideJson, SKIPPED } from '../support/outside.ts';
import { consistencyPath, inclusionPath, rootOf } from '../support/tree.ts';
import { sha256 } from '../support/world.ts';

/** Past two full tiles, so that every kind of edge occurs. */
const LEAVES = Array.from({ length: 700 }, (_, i) => leafHash(sha256, utf8(`leaf ${i}`)));
const whole = treeOf(LEAVES.length);

test('root, paths and proofs of any size are those of the definition', (t) => {
  const sizes = fc.integer({ min: 1, max: LEAVES.length });
  fc.assert(
    fc.property(sizes, fc.nat(), fc.nat(), (size, a, b) => {
      const leaves = LEAVES.slice(0, size);
      const index = a % size;
      const from = 1 + (b % size);
      t.is(hex(whole.tree.root(size)), hex(rootOf(sha256, leaves)));
      t.deepEqual(whole.tree.inclusion(index, size), inclusionPath(sha256, leaves, index));
      t.deepEqual(whole.tree.consistency(from, size), consistencyPath(sha256, leaves, from));
    }),
    { numRuns: 60 },
  );
});

test('a tree opened from its tiles goes on as if it had never been closed', (t) => {
  for (const size of [1, 2, 255, 256, 257, 511, 512, 513, 699]) {
    const { store } = treeOf(size);
    const opened = Tiles.open(sha256, store, size, (i) => LEAVES[i]!);
    t.is(hex(opened.frontier().root()), hex(whole.tree.root(size)));
    for (const leaf of LEAVES.slice(size)) opened.append(leaf);
    t.is(hex(opened.root()), hex(whole.tree.root()));
    t.deepEqual(opened.inclusion(size - 1), whole.tree.inclusion(size - 1));
  }
});

test('three levels of tiles give proofs that a device accepts', (t) => {
  const size = 256 * 256 + 300;
  const { tree } = treeOf(size, (i) => sha256(utf8(`${i}`)));
  const root = tree.root();
  const frontier = new Frontier(sha256);
  for (let i = 0; i < size; i++) frontier.append(sha256(utf8(`${i}`)));
  t.is(hex(frontier.root()), hex(root));
  for (const index of [0, 1, 255, 256, 65_535, 65_536, size - 1]) {
    const found = rootFromInclusion(sha256, index, size, sha256(utf8(`${index}`)), tree.inclusion(index));
    t.is(hex(found), hex(root), `leaf ${index}`);
  }
  for (const from of [1, 256, 65_535, 65_536, 65_537, size]) {
    t.notThrows(() => checkConsistency(sha256, from, size, tree.root(from), root, tree.consistency(from)));
  }
});

test('the published roots of the first eight trees are ours', (t) => {
  const published = outsideJson<{ leafInputsHex: string[]; rootBySize: string[] }>('merkle-rfc6962/tree8.json');
  if (!published) return void t.pass(SKIPPED);
  const tree = Tiles.empty(sha256, treeOf(0).store);
  const frontier = new Frontier(sha256);
  t.is(hex(tree.root()), published.rootBySize[0]);
  for (const [i, input] of published.leafInputsHex.entries()) {
    const leaf = leafHash(sha256, unhex(input)!);
    tree.append(leaf);
    frontier.append(leaf);
    t.is(hex(tree.root()), published.rootBySize[i + 1]);
    t.is(hex(frontier.root()), published.rootBySize[i + 1]);
  }
});

test('sizes and places outside the tree are a fault of the caller', (t) => {
  const { tree } = treeOf(10);
  for (const wrong of [-1, 11, 1.5, Number.NaN]) t.throws(() => tree.root(wrong), { instanceOf: RangeError });
  for (const wrong of [-1, 10, 0.5]) t.throws(() => tree.inclusion(wrong), { instanceOf: RangeError });
  for (const wrong of [0, 11, 2.5]) t.throws(() => tree.consistency(wrong), { instanceOf: RangeError });
});

test('the class index proves every class, whatever the order in which they came', (t) => {
  const entries = Array.from({ length: 37 }, (_, i) => ({
    classId: sha256(utf8(`class ${i}`)).slice(0, 16),
    releaseLeaf: sha256(utf8(`release ${i}`)),
    sequence: i + 1,
    rolloutDigest: sha256(utf8(`rollout ${i}`)),
    rolloutSequence: 1,
    state: 0,
    floor: 0,
  }));
  const index = new ClassIndex(sha256).with(entries.slice(20)).with(entries.slice(0, 25));
  const root = index.root();
  t.is(hex(root), hex(new ClassIndex(sha256, [...entries].reverse()).root()));
  for (const entry of entries) {
    const { entry: found, proof } = index.prove(entry.classId);
    t.deepEqual(found, entry);
    t.is(hex(rootFromInclusion(sha256, proof.index, proof.size, indexLeaf(sha256, entry), proof.path)), hex(root));
  }
  t.throws(() => index.prove(new Uint8Array(16)), { name: 'Refusal' });
  t.is(hex(new ClassIndex(sha256).root()), hex(sha256(new Uint8Array())));
});

function treeOf(size: number, leaf: (i: number) => Uint8Array = (i) => LEAVES[i]!) {
  const full = new Map<string, Uint8Array>();
  const store: TileStore = {
    tile: (level, n) => full.get(`${level}/${n}`),
    putTile: (level, n, hashes) => void full.set(`${level}/${n}`, hashes),
  };
  const tree = Tiles.empty(sha256, store);
  for (let i = 0; i < size; i++) tree.append(leaf(i));
  return { tree, store };
}
