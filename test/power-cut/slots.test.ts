import { SlotWriter } from '@countersign/device-sdk/install';
import { CUT_PHASES, PagePool, PowerCut, PowerCutter, Prng, VirtualFlash } from '@countersign/device-sdk/rig';
import test from 'ava';

const GEOMETRIES = [
  { writeBytes: 1, eraseBytes: 1024, bytes: 8192 },
  { writeBytes: 8, eraseBytes: 512, bytes: 8192 },
  { writeBytes: 32, eraseBytes: 4096, bytes: 8192 },
];
const image = new Prng('image').bytes(6_001);
const older = new Prng('older').bytes(8_000);

/** Writes from `from` on, storing the point of resumption as the device does: only once it is durable. */
function install(slot: VirtualFlash, stored: { from: number }): boolean {
  try {
    const writer = new SlotWriter(slot, image.length, stored.from);
    while (writer.offset < image.length) {
      writer.write(image.subarray(writer.offset, writer.offset + 700));
      stored.from = writer.durable;
    }
    writer.finish();
    return true;
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error;
    slot.power.restorePower();
    return false;
  }
}

for (const geometry of GEOMETRIES) {
  const name = `${geometry.writeBytes}-byte units, ${geometry.eraseBytes}-byte blocks`;

  test(`an image is whole after a cut at every operation and a resumption, itself cut once more (${name})`, (t) => {
    const pool = new PagePool();
    const make = (seed: string) => {
      const slot = new VirtualFlash({ ...geometry, pool, power: new PowerCutter(seed) });
      slot.load(0, older);
      return slot;
    };
    const dry = make('dry');
    t.true(install(dry, { from: 0 }));
    let resumed = 0;
    for (let operation = 0; operation < dry.power.operations; operation++) {
      for (const phase of CUT_PHASES) {
        const slot = make(`${operation}`);
        const stored = { from: 0 };
        slot.power.cutAt(operation, phase);
        t.false(install(slot, stored));
        t.is(Buffer.compare(slot.dump(0, stored.from), image.slice(0, stored.from)), 0);
        if (stored.from > 0) resumed++;
        slot.power.cutAt(slot.power.operations + (operation % 3), 'during');
        while (!install(slot, stored));
        t.is(Buffer.compare(slot.dump(0, image.length), image), 0);
        t.true(slot.dump(image.length).every((byte) => byte === 0xff));
      }
    }
    t.log(`twice ${dry.power.operations * CUT_PHASES.length} cuts`);
    t.true(resumed > 0);
  });
}
