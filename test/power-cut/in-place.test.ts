import { createHash } from 'node:crypto';
import { align } from '@countersign/broker/delta/align';
import { assemble } from '@countersign/broker/delta/assemble';
import { fit as fitModel, NO_MODEL } from '@countersign/broker/delta/model/fitting';
import { remainingCopies } from '@countersign/broker/delta/remaining';
import { suffixArray } from '@countersign/broker/delta/suffix-array';
import { Refusal } from '@countersign/device-sdk';
import { EVERY_DECODER } from '@countersign/device-sdk/decoders';
import { BlockOrder, CODER_STORED, type Direction } from '@countersign/device-sdk/delta';
import { makeFrames } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import type { InPlaceProgress } from '@countersign/device-sdk/install';
import { CUT_PHASES, Prng } from '@countersign/device-sdk/rig';
import test from 'ava';
import { edited, image, joined } from '../support/delta.ts';
import { applyStaged, Board, type Plain, writePlain } from '../support/in-place-life.ts';

const PLAIN = [
  { writeBytes: 1, eraseBytes: 512, pageBytes: 512, imageBytes: 2_501, inPlace: 'forward' },
  { writeBytes: 1, eraseBytes: 512, pageBytes: 512, imageBytes: 2_501, inPlace: 'backward' },
  { writeBytes: 8, eraseBytes: 512, pageBytes: 1024, imageBytes: 3_072, inPlace: 'forward' },
  { writeBytes: 8, eraseBytes: 512, pageBytes: 1024, imageBytes: 3_070, inPlace: 'backward' },
  { writeBytes: 32, eraseBytes: 1024, pageBytes: 1024, imageBytes: 4_096, inPlace: 'backward' },
  { writeBytes: 4, eraseBytes: 512, pageBytes: 512, imageBytes: 300, inPlace: 'backward' },
] as const;

for (const geometry of PLAIN) {
  const { pageBytes, imageBytes, inPlace } = geometry;
  const name = `${inPlace}, ${geometry.writeBytes}-byte units, pages of ${pageBytes}, ${imageBytes} bytes`;

  test(`an image replaces its base through a cut at every operation and a second one behind it (${name})`, (t) => {
    const sizes = { slotBytes: 4096, scratchBytes: pageBytes, stagingBytes: 1024 };
    const base = new Prng('base').bytes(4096);
    const plain: Plain = { image: new Prng('image').bytes(imageBytes), pageBytes, inPlace, pieceBytes: 256 };
    const make = (seed: string) => {
      const board = new Board(geometry, sizes, seed);
      board.slot.load(base);
      return board;
    };
    const whole = (board: Board) => {
      t.is(Buffer.compare(board.slot.dump(0, imageBytes), plain.image), 0);
      t.true(board.slot.dump(Math.ceil(imageBytes / 512) * 512).every((byte) => byte === 0xff));
    };
    const dry = make('dry');
    const before = dry.flash.power.operations;
    t.true(writePlain(dry, base, plain));
    whole(dry);
    for (let operation = before; operation < dry.flash.power.operations; operation++) {
      for (const phase of CUT_PHASES) {
        const board = make(`${operation}`);
        board.flash.power.cutAt(operation, phase);
        t.false(writePlain(board, base, plain));
        board.flash.power.cutAt(board.flash.power.operations + (operation % 5), 'during');
        for (let boots = 0; !writePlain(board, base, plain); boots++) if (boots > 3) return t.fail('it never ends');
        board.flash.power.cutAt(Number.MAX_SAFE_INTEGER, 'before');
        t.true(writePlain(board, base, plain));
        whole(board);
      }
    }
    t.log(`twice ${(dry.flash.power.operations - before) * CUT_PHASES.length} cuts`);
  });
}

const verifier = nodeVerifier();
const old = image(22_000, 6);
const fresh = edited(new Uint8Array([...old.subarray(3_000, 9_000), ...old.subarray(0, 16_500)]), 3);
const PAGE_BYTES = 4096;
const id = (bytes: Uint8Array) => ({
  digest: new Uint8Array(createHash('sha256').update(bytes).digest()),
  bytes: bytes.length,
});

function containerOf(from: Uint8Array, to: Uint8Array, inPlace: Direction) {
  const copies = align(from, to, suffixArray(from));
  const fitting = fitModel(NO_MODEL, 0, from, to.length);
  const candidate = { coder: CODER_STORED, windowBits: 0, lookaheadBits: 0, predictor: 0, fitting };
  return assemble({ kind: 'delta', old: from, fresh: to, copies, inPlace }, 'S', candidate, PAGE_BYTES);
}

const { container, workspaceBytes } = containerOf(old, fresh, 'forward');
const { frames, payload } = makeFrames(verifier.sha256, container, 512);
const sizes = { slotBytes: 24_576, scratchBytes: PAGE_BYTES, stagingBytes: 20_480 };
const geometry = { writeBytes: 4, eraseBytes: 1024 };
const job = () => ({
  oldImage: id(old),
  newImage: id(fresh),
  workspace: new Uint8Array(workspaceBytes),
  decoders: EVERY_DECODER,
  hash: () => verifier.hash(),
});

function board(seed: string): Board {
  const made = new Board(geometry, sizes, seed);
  made.slot.load(old);
  made.staging.load(joined(frames));
  return made;
}

test('a staged delta is applied over its own base, through a cut at every operation', (t) => {
  t.true(container.length < 16_000, `${container.length} bytes`);
  const dry = board('dry');
  const before = dry.flash.power.operations;
  t.true(applyStaged(dry, job(), payload));
  t.is(Buffer.compare(dry.slot.dump(0, fresh.length), fresh), 0);
  const operations = dry.flash.power.operations - before;
  t.log(`${operations} cuts`);
  for (let operation = 0; operation < operations; operation++) {
    const made = board(`${operation}`);
    made.flash.power.cutAt(before + operation, CUT_PHASES[operation % CUT_PHASES.length]!);
    t.false(applyStaged(made, job(), payload));
    t.true(applyStaged(made, job(), payload));
    t.is(Buffer.compare(made.slot.dump(0, fresh.length), fresh), 0);
  }
});

test('without a cut each block of the slot is erased once', (t) => {
  const made = board('wear');
  t.true(applyStaged(made, job(), payload));
  t.true(made.slot.wear.every((erases) => erases <= 1));
});

test('nothing of the slot is touched before container and base have been read back', (t) => {
  const damaged = board('damaged');
  damaged.staging.corrupt(container.length - 1, 1);
  const foreign = board('foreign');
  foreign.slot.corrupt(7, 1);
  const small = new Board(geometry, { ...sizes, stagingBytes: 4096 }, 'small');
  small.slot.load(old);
  const narrow = new Board(geometry, { ...sizes, scratchBytes: 2048 }, 'narrow');
  narrow.slot.load(old);
  narrow.staging.load(joined(frames));
  for (const [made, code] of [
    [damaged, 'RESULT_MISMATCH'],
    [foreign, 'WRONG_BASE'],
    [small, 'NO_STAGING'],
    [narrow, 'NO_STAGING'],
  ] as const) {
    const held = made.slot.dump();
    const before = made.flash.power.operations;
    t.throws(() => applyStaged(made, job(), payload), { instanceOf: Refusal, code });
    t.is(made.flash.power.operations, before);
    t.is(Buffer.compare(made.slot.dump(), held), 0);
  }
});

test('a journal that names pages the image does not have is refused', (t) => {
  const made = board('pages');
  const progress: InPlaceProgress = { done: 6, copying: true, checkpoint: new Uint8Array() };
  t.true(made.boot((_, save) => save(progress)));
  t.throws(() => applyStaged(made, job(), payload), { instanceOf: Refusal, code: 'BAD_STATE' });
});

test('blocks count from the end where they fall, and the short one is the first', (t) => {
  const order = new BlockOrder(10, 4, 'backward');
  const turns = [0, 1, 2, 3];
  t.deepEqual(
    turns.map((turn) => [order.start(turn), order.length(turn), order.produced(turn)]),
    [
      [8, 2, 0],
      [4, 4, 2],
      [0, 4, 6],
      [0, 0, 10],
    ],
  );
  t.deepEqual(
    turns.map((turn) => order.turnAt(order.border(turn))),
    turns,
  );
  t.deepEqual(
    [0, 1, 2].map((turn) => order.remaining(turn, 11)),
    [
      [0, 11],
      [0, 8],
      [0, 4],
    ],
  );
});

test('copies are kept as far as their bytes are still there', (t) => {
  const forward = new BlockOrder(30, 10, 'forward');
  t.deepEqual(remainingCopies([{ newStart: 5, oldStart: 3, length: 20 }], forward, 40), [
    { newStart: 5, oldStart: 3, length: 5 },
    { newStart: 12, oldStart: 10, length: 8 },
    { newStart: 22, oldStart: 20, length: 3 },
  ]);
  const backward = new BlockOrder(30, 10, 'backward');
  t.deepEqual(remainingCopies([{ newStart: 5, oldStart: 7, length: 20 }], backward, 40), [
    { newStart: 5, oldStart: 7, length: 3 },
    { newStart: 10, oldStart: 12, length: 8 },
    { newStart: 20, oldStart: 22, length: 5 },
  ]);
});
