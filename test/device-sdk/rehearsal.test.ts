/** What a device with one slot finds out about a staged delta before it writes the first page. */

import { makeDelta } from '@countersign/broker/delta/index';
import { EVERY_DECODER } from '@countersign/device-sdk/decoders';
import { BlockOrder, type MemoryClass, readWholeHeader } from '@countersign/device-sdk/delta';
import { makeFrames } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { rehearse, Staged } from '@countersign/device-sdk/install';
import test from 'ava';
import { programs } from '../support/code.ts';
import { image, joined } from '../support/delta.ts';
import { Board } from '../support/in-place-life.ts';
import { codeOfRefusal } from '../support/refused.ts';

const { sha256, hash } = nodeVerifier();
const BLOCK = 4096;
const FRAME_BYTES = 512;
const sizes = { slotBytes: 131_072, scratchBytes: BLOCK, stagingBytes: 131_072 };
const id = (bytes: Uint8Array) => ({ digest: sha256(bytes), bytes: bytes.length });

/** Rehearses, and tells how many bytes of the container were read for it. */
function tried(container: Uint8Array, old: Uint8Array, expected: { digest: Uint8Array; bytes: number }) {
  const { frames, payload } = makeFrames(sha256, container, FRAME_BYTES);
  const board = new Board({ writeBytes: 4, eraseBytes: 1024 }, sizes, 'rehearsal');
  board.slot.load(old);
  board.staging.load(joined(frames));
  const { slot, scratch, staging } = board;
  const before = board.flash.power.operations;
  let read = 0;
  const counted = Object.create(staging, {
    read: {
      value: (offset: number, into: Uint8Array) => {
        read += into.length;
        staging.read(offset, into);
      },
    },
  });
  const { workspaceBytes } = readWholeHeader(container);
  const workspace = new Uint8Array(workspaceBytes);
  const images = { oldImage: id(old), newImage: expected };
  const source = {
    slot,
    scratch,
    staging: counted,
    container: new Staged(counted, payload),
    workspace,
    hash,
    decoders: EVERY_DECODER,
  };
  const code = codeOfRefusal(() => rehearse({ ...source, ...images }));
  return { code, read, operations: board.flash.power.operations - before };
}

const predicted = programs('thumb', 150, 5);
const noisy = image(60_000, 3);
const grown = new Uint8Array([...image(700, 9), ...noisy]).map((byte, i) => (i % 301 === 0 ? byte ^ 1 : byte));
const images: [name: string, old: Uint8Array, fresh: Uint8Array][] = [
  ['code', predicted.old, predicted.fresh],
  ['code, the other way', predicted.fresh, predicted.old],
  ['an image that grew', noisy, grown],
  ['an image that shrank', grown, noisy],
  ['a single block', noisy.subarray(0, 3000), grown.subarray(0, 3000)],
];

const directions = new Set<string | undefined>();
for (const [name, old, fresh] of images) {
  for (const memoryClass of ['M', 'G'] satisfies MemoryClass[]) {
    test.serial(
      `${name}, class ${memoryClass}: the right image is known before a page is written, and every other`,
      (t) => {
        const { delta, info } = makeDelta(old, fresh, { class: memoryClass, inPlace: true, checkpointBytes: BLOCK });
        t.is(info.kind, 'delta');
        directions.add(info.inPlace);
        const good = tried(delta, old, id(fresh));
        t.is(good.code, 'accepted');
        t.is(tried(delta, old, { ...id(fresh), digest: sha256(old) }).code, 'RESULT_MISMATCH');
        t.is(good.operations, 0, 'nothing is written');
        const { count } = BlockOrder.of(readWholeHeader(delta));
        const times = info.inPlace === 'backward' ? 1 + Math.ceil(Math.log2(count)) / 2 : 1;
        t.log(info.inPlace, `${count} blocks, ${delta.length} bytes, ${good.read} read`);
        // The header, and for each start of a decoder that and the model section.
        const starts = (2 * count + 2) * (64 + readWholeHeader(delta).modelBytes);
        t.true(good.read < (times + 0.5) * delta.length + starts);
      },
    );
  }
}

test.serial('both directions were among them', (t) => {
  t.true(directions.has('forward') && directions.has('backward'));
});
