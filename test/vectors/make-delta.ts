/**
 * Makes test/vectors/delta/*.json. Run from the root after a build:
 *   node test/dist/vectors/make-delta.js && npx biome check --write test/vectors/delta
 * Containers are put together by hand from the tables of docs/FORMAT-DELTA.md; the product's encoder has no part in them.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { byHand, copyFrom, copyOn, fill, type HandMade, insert, joined, token } from '../support/delta.ts';

/** A container and what a decoder makes of it. All byte strings in hex. */
export interface DeltaVector {
  id: string;
  why: string;
  old: string;
  container: string;
  /** The new image, or the code of the refusal. */
  expected: { image: string } | { code: string };
  /** Size of the new image in the signed manifest. */
  newBytes: number;
}

const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'ascii'));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bits = (text: string): number[] =>
  text
    .replace(/ /g, '')
    .match(/.{1,8}/g)!
    .map((byte) => Number.parseInt(byte.padEnd(8, '0'), 2));

const digits = ascii('0123456789abcdef');
const letters = ascii('456x89abXYZ--------------------');
const heatshrink = { coder: 1, windowBits: 8, lookaheadBits: 4 };
const long = Uint8Array.from({ length: 400 }, (_, i) => (i * i) & 0xff);
const ramp = joined([long, new Uint8Array(5000).fill(7), long.subarray(0, 100)]);

interface Row {
  id: string;
  why: string;
  old: Uint8Array;
  fresh: Uint8Array;
  header?: HandMade;
  stream: number[];
}

/** More than one block of 4,096 bytes. */
const base = Uint8Array.from({ length: 5000 }, (_, i) => (i * i + (i >> 8)) & 0xff);

const accepted: Row[] = [
  {
    id: 'commands',
    why: 'copy with a seek and one patch, insert, fill: the example of FORMAT-DELTA',
    old: digits,
    fresh: letters,
    stream: [...copyFrom(8, 4), ...token(3, 0x41), ...token(4), ...insert(...ascii('XYZ')), ...fill(20, 0x2d)],
  },
  {
    id: 'copy-on',
    why: 'a copy goes on where the last one ended, across an insert',
    old: digits,
    fresh: ascii('0123-4567'),
    stream: [...copyOn(4), ...token(4), ...insert(0x2d), ...copyOn(4), ...token(4)],
  },
  {
    id: 'seek-back',
    why: 'a negative seek, counted from the end of the last copy',
    old: digits,
    fresh: ascii('89ab0123'),
    stream: [...copyFrom(4, 8), ...token(4), ...copyFrom(4, -12), ...token(4)],
  },
  {
    id: 'patches',
    why: 'four patches in a row, a wrap over 255, a patch as the last byte of a copy',
    old: digits,
    fresh: Uint8Array.from([0x31, 0x33, 0x35, 0x37, 0x34, 0x34]),
    stream: [...copyOn(6), ...token(0, 1, 2, 3, 4), ...token(1, 0xff)],
  },
  {
    id: 'long-gap',
    why: 'gaps of 62, 63 and more: the escape and the number behind it',
    old: long,
    fresh: long.map((byte, i) => (i === 62 || i === 126 ? byte + 1 : byte)),
    stream: [...copyOn(400), ...token(62, 1), ...token(63, 1), ...token(273)],
  },
  {
    id: 'heatshrink',
    why: 'literals and a back reference that overlaps itself',
    old: digits,
    fresh: Uint8Array.from([7, 8, 7, 8, 7, 8, 7, 8]),
    header: { full: true, ...heatshrink },
    stream: bits('1 00100010 1 00000111 1 00001000 0 00000001 0101'),
  },
  {
    id: 'heatshrink-zeros',
    why: 'the window is zeros before the first byte',
    old: digits,
    fresh: new Uint8Array(5),
    header: { full: true, ...heatshrink },
    stream: bits('1 00010110 0 11111111 0100'),
  },
  {
    id: 'checkpoint',
    why: 'the old offset goes on across a checkpoint, the window does not: the fill is cut in two',
    old: long,
    fresh: ramp,
    header: { checkpointBits: 12, ...heatshrink },
    stream: [
      ...bits(`${literals([...copyOn(400), ...token(400), ...fill(3696, 7)])}`),
      ...bits(`${literals([...fill(1304, 7), ...copyFrom(100, -400), ...token(100)])}`),
    ],
  },
  {
    id: 'full',
    why: 'kind full: no old size, no old tag',
    old: digits,
    fresh: letters,
    header: { full: true },
    stream: insert(...letters),
  },
  {
    id: 'in-place-forward',
    why: 'a copy from the border on: everything below it is gone',
    old: base,
    fresh: joined([new Uint8Array(4096).fill(1), base.subarray(4096, 5000), base.subarray(4200, 4300)]),
    header: { checkpointBits: 12, flags: 4 },
    stream: [...fill(4096, 1), ...copyFrom(904, 4096), ...token(904), ...copyFrom(100, -800), ...token(100)],
  },
  {
    id: 'in-place-backward',
    why: 'the short block first; the next one begins where the first copy of it says, 10 further on in the base',
    old: base,
    fresh: joined([
      base.subarray(10, 4096),
      new Uint8Array(10).fill(9),
      base.subarray(4106, 5000),
      Uint8Array.of(8, 7),
    ]),
    header: { checkpointBits: 12, flags: 6 },
    stream: [
      ...[...copyFrom(894, 10), ...token(894), ...insert(8, 7)],
      ...[...copyOn(4086), ...token(4086), ...insert(...new Array<number>(10).fill(9))],
    ],
  },
  {
    id: 'lite-bits',
    why: 'a copy with one byte changed, and an insert: the example of FORMAT-DELTA',
    old: ascii('01234567'),
    fresh: ascii('0123x567!'),
    header: { memoryClass: 1, coder: 2, lookaheadBits: 4, workspace: 5308 },
    stream: [5, 0xc7, 0xe4, 0xbb, 0x34, 0xe0],
  },
  {
    id: 'mixing-bits',
    why: 'the same images and commands with the other coder: the example of FORMAT-DELTA',
    old: ascii('01234567'),
    fresh: ascii('0123x567!'),
    header: { memoryClass: 3, coder: 3, windowBits: 0, workspace: 54_684 },
    stream: [6, 0xda, 0x71, 0x6a, 0x1f, 0xdc, 0x80],
  },
  { id: 'empty', why: 'an image of no bytes is a header alone', old: digits, fresh: new Uint8Array(), stream: [] },
];

const copyTen = [...copyOn(10), ...token(10)];
const ten = digits.slice(0, 10);
const refused: (Row & { code: string })[] = [
  {
    id: 'version',
    why: 'another version',
    code: 'UNSUPPORTED',
    old: digits,
    fresh: ten,
    header: { version: 3 },
    stream: copyTen,
  },
  {
    id: 'backward',
    why: 'backward, but not in place',
    code: 'UNSUPPORTED',
    old: digits,
    fresh: ten,
    header: { flags: 2 },
    stream: copyTen,
  },
  {
    id: 'predictor',
    why: 'a reserved predictor',
    code: 'UNSUPPORTED',
    old: digits,
    fresh: ten,
    header: { predictor: 99 },
    stream: copyTen,
  },
  {
    id: 'coder',
    why: 'a reserved coder',
    code: 'UNSUPPORTED',
    old: digits,
    fresh: ten,
    header: { coder: 9 },
    stream: copyTen,
  },
  {
    id: 'workspace',
    why: 'not the sum of its parts',
    code: 'BAD_DELTA',
    old: digits,
    fresh: ten,
    header: { workspace: 641 },
    stream: copyTen,
  },
  {
    id: 'flags',
    why: 'an unknown flag',
    code: 'BAD_DELTA',
    old: digits,
    fresh: ten,
    header: { flags: 8 },
    stream: copyTen,
  },
  {
    id: 'gone-forward',
    why: 'a copy that begins one byte below the border',
    code: 'BAD_DELTA',
    old: base,
    fresh: new Uint8Array(4196),
    header: { checkpointBits: 12, flags: 4 },
    stream: [...fill(4096, 0), ...copyFrom(100, 4095), ...token(100)],
  },
  {
    id: 'gone-backward',
    why: 'a copy that ends one byte above the border',
    code: 'BAD_DELTA',
    old: base,
    fresh: new Uint8Array(4196),
    header: { checkpointBits: 12, flags: 6 },
    stream: [...fill(100, 0), ...copyFrom(100, 3997), ...token(100), ...fill(3996, 0)],
  },
  {
    id: 'in-place-full',
    why: 'a full image has no base to be written over',
    code: 'BAD_DELTA',
    old: digits,
    fresh: ten,
    header: { full: true, flags: 5 },
    stream: insert(...ten),
  },
  { id: 'trailing', why: 'a byte after the end', code: 'BAD_DELTA', old: digits, fresh: ten, stream: [...copyTen, 0] },
  { id: 'cut', why: 'a token is missing', code: 'BAD_DELTA', old: digits, fresh: ten, stream: copyOn(10) },
  {
    id: 'overlong',
    why: 'a number with a zero digit at its end',
    code: 'BAD_DELTA',
    old: digits,
    fresh: ten,
    stream: [0xa9, 0, ...token(10)],
  },
  {
    id: 'outside',
    why: 'a copy that ends behind the old image',
    code: 'BAD_DELTA',
    old: digits,
    fresh: ten,
    stream: [...copyFrom(10, 7), ...token(10)],
  },
  {
    id: 'before',
    why: 'a copy that begins before the old image',
    code: 'BAD_DELTA',
    old: digits,
    fresh: ten,
    stream: [...copyFrom(10, -1), ...token(10)],
  },
  {
    id: 'gap',
    why: 'a gap longer than its copy',
    code: 'BAD_DELTA',
    old: digits,
    fresh: ten,
    stream: [...copyOn(10), ...token(11)],
  },
  {
    id: 'copy-in-full',
    why: 'a copy in a full image',
    code: 'BAD_DELTA',
    old: digits,
    fresh: ten,
    header: { full: true },
    stream: copyTen,
  },
  {
    id: 'nothing-to-predict',
    why: 'a predictor for an image of no bytes: its model section would stand behind the end of the container',
    code: 'BAD_DELTA',
    old: digits,
    fresh: new Uint8Array(),
    header: { predictor: 1, coder: 1, windowBits: 4, lookaheadBits: 3, modelBytes: 9, workspace: 1176 },
    stream: [],
  },
];

/** Heatshrink bits of literals alone. */
function literals(bytes: readonly number[]): string {
  return bytes.map((byte) => `1${byte.toString(2).padStart(8, '0')}`).join('');
}

function vectorOf({ id, why, old, fresh, header = {}, stream }: Row, code?: string): DeltaVector {
  const container = hex(byHand(old, fresh, header, stream));
  const expected = code === undefined ? { image: hex(fresh) } : { code };
  return { id, why, old: hex(old), container, expected, newBytes: fresh.length };
}

const folder = new URL('../../vectors/delta/', import.meta.url);
mkdirSync(folder, { recursive: true });
const write = (name: string, vectors: DeltaVector[]): void =>
  writeFileSync(new URL(name, folder), `${JSON.stringify(vectors, null, 2)}\n`);
write(
  'accepted.json',
  accepted.map((row) => vectorOf(row)),
);
write(
  'refused.json',
  refused.map((row) => vectorOf(row, row.code)),
);
