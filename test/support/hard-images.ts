/** Images on which an encoder that compares everywhere, or sorts by comparing, takes for ever. */
import { createHash } from 'node:crypto';
import { align } from '@countersign/broker/delta/align';
import { applyDelta, makeDelta, makeFull } from '@countersign/broker/delta/index';
import { Matcher } from '@countersign/broker/delta/matcher';
import { suffixArray } from '@countersign/broker/delta/suffix-array';
import type { MemoryClass } from '@countersign/device-sdk/delta';
import type { ExecutionContext } from 'ava';
import { image } from './delta.ts';

const MB = 1 << 20;
const random = new Uint8Array(
  createHash('shake256', { outputLength: 2 * MB })
    .update('random')
    .digest(),
);

type ByteAt = (i: number) => number;

/** Up to a megabyte of each. */
export const HARD_IMAGES: readonly (readonly [why: string, oldByte: ByteAt, newByte: ByteAt])[] = [
  ['zeros', () => 0, (i) => (i % 5000 === 7 ? 9 : 0)],
  ['two sorts of sparse zeros', (i) => (i % 5000 === 9 ? 7 : 0), (i) => (i % 4700 === 7 ? 9 : 0)],
  [
    'one repeated page',
    (i) => ((i % 4096) * 7) & 0xff,
    (i) => (((i + 13) % 4096) * 7) & (0xff ^ (i % 9999 === 3 ? 1 : 0)),
  ],
  ['padding', (i) => (i < 5000 ? (i * 37) & 0xff : 0xff), (i) => (i < 6000 ? (i * 37) & 0xff : 0xff)],
  ['random bytes and random bytes', (i) => random[i]!, (i) => random[random.length - 1 - i]!],
];

export function checkWork(t: ExecutionContext, bytes: number, oldByte: ByteAt, newByte: ByteAt): void {
  const old = Uint8Array.from({ length: bytes }, (_, i) => oldByte(i));
  const fresh = Uint8Array.from({ length: bytes }, (_, i) => newByte(i));
  const order = suffixArray(old);
  const matcher = new Matcher(old, order);
  const copies = align(old, fresh, order, matcher);
  const perByte = matcher.compared / bytes;
  t.log(`${perByte.toFixed(0)} bytes compared for each byte, ${copies.length} copies`);
  t.true(perByte < 500);
  t.true(copies.length <= bytes / 100);
}

/** Images that have nothing in common: the delta is no larger than the full image, and that than its bytes. */
export function checkStrangers(t: ExecutionContext, name: MemoryClass, bytes: number): void {
  const drawn = (what: string, outputLength: number) =>
    new Uint8Array(createHash('shake256', { outputLength }).update(`${what} ${bytes}`).digest());
  const fresh = drawn('new', bytes);
  const full = makeFull(fresh, { class: name });
  t.true(makeDelta(drawn('old', 50_000), fresh, { class: name }).delta.length <= full.delta.length);
  t.true(full.delta.length <= bytes + 64);
}

/** Zeros, and padding with a small program in it, in each other's place. */
export function checkPadding(t: ExecutionContext, bytes: number): void {
  const program = image(20_000, 3);
  const old = new Uint8Array(bytes);
  const fresh = new Uint8Array(bytes).fill(0xff);
  fresh.set(program, 4096);
  for (const [from, to] of [
    [old, fresh],
    [fresh, old],
    [fresh, fresh],
  ] as const) {
    const { delta, info } = makeDelta(from, to, { class: 'S' });
    t.is(Buffer.compare(applyDelta(delta, info.kind === 'full' ? new Uint8Array() : from), to), 0);
    t.true(delta.length < (to === fresh && from === old ? program.length + 3000 : 100), `${delta.length}`);
  }
}
