import { Journal, SlotWriter } from '@countersign/device-sdk/install';
import {
  boardFactory,
  createBoard,
  encodeDescriptor,
  GEOMETRIES,
  otherSlot,
  PagePool,
  Prng,
  restart,
} from '@countersign/device-sdk/rig';
import test from 'ava';

function imageOf(version: string): Uint8Array {
  const image = new Prng('image', version).bytes(20_000);
  image.set(encodeDescriptor({ product: 'lamp', version, failsOn: [] }), 9000);
  return image;
}

test('a board boots its factory image, takes another and boots that', (t) => {
  const board = createBoard(
    { ...GEOMETRIES.stm32l4, slotBytes: 20_000, storeBytes: 4000, image: imageOf('1.0') },
    'seed',
    1,
  );
  t.is(board.slots[0].bytes, 20_480);
  t.is(board.store.bytes, 4096);
  const { slot, descriptor } = board.boot.boot();
  t.is(descriptor?.version, '1.0');
  const next = otherSlot(slot);
  const writer = new SlotWriter(board.slots[next], 20_000);
  writer.write(imageOf('1.1'));
  writer.finish();
  Journal.open(board.store).put([[1, Uint8Array.of(7)]]);
  board.boot.setTrial(next);
  board.power.cutNow();
  t.like(restart(board), { slot: 1, trial: true, descriptor: { version: '1.1' } });
  t.deepEqual(Journal.open(board.store).get(1), Uint8Array.of(7));
});

test('a thousand boards of one kind share one image, also after all of them were updated', (t) => {
  const pool = new PagePool();
  const make = boardFactory({ ...GEOMETRIES.nrf52, slotBytes: 20_480, storeBytes: 8192, image: imageOf('1.0'), pool });
  const boards = Array.from({ length: 1000 }, (_, device) => make('fleet', device));
  const image = imageOf('1.1');
  for (const { slots } of boards)
    for (let at = 0; at < 16_384; at += 4096) slots[1].write(at, image.subarray(at, at + 4096));
  t.is(pool.pages, 5 + 4);
  t.is(
    boards.reduce((sum, { flash }) => sum + flash.ownBytes, 0),
    0,
  );
});
