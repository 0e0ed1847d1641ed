/**
 * A device with one slot whose journal falls back to older values, as when the newest bank decays. It runs no image that is
 * half of two: what it would run is hashed before.
 */
import { Refusal } from '@countersign/device-sdk';
import { hex } from '@countersign/device-sdk/format';
import { Bricked } from '@countersign/device-sdk/rig';
import test, { type ExecutionContext } from 'ava';
import { image } from '../support/delta.ts';
import { deviceOf, dryRun, inPlaceScene } from '../support/in-place-device.ts';
import { verifier } from '../support/pocket.ts';

const base = image(9_300, 3);
const grown = new Uint8Array([...image(700, 9), ...base]).map((byte, i) => (i % 701 === 0 ? byte ^ 1 : byte));
const digest = (bytes: Uint8Array) => hex(verifier.sha256(bytes));

async function scenes() {
  const part = { memoryClass: 'M', pageBytes: 4096, options: { oneSlot: { storeBytes: 16_384 } } } as const;
  return [
    await inPlaceScene({ ...part, old: base, fresh: grown }),
    await inPlaceScene({ ...part, old: grown, fresh: base }),
  ];
}

type Scene = Awaited<ReturnType<typeof scenes>>[number];

/** Runs until `operation`, where the power goes; the bank that is newest then is spoilt. */
async function spoilt(scene: Scene, operation: number) {
  const device = deviceOf(scene);
  const { power, store, slots } = device.one!;
  power.cutAt(operation, 'before');
  await cut(device.start());
  power.restorePower();
  const half = store.bytes / 2;
  const generation = (bank: number) => new DataView(store.dump(bank * half, 16).buffer).getUint32(4, true);
  const blank = 0xffff_ffff;
  const [a, b] = [generation(0), generation(1)];
  const newest = b !== blank && (a === blank || b > a) ? 1 : 0;
  store.corrupt(newest * half + 12, 1);
  return { device, whole: (bytes: Uint8Array) => digest(slots.slot.dump(0, bytes.length)) === digest(bytes) };
}

/** A power cut is what is wanted here. */
async function cut(life: Promise<void>): Promise<void> {
  try {
    await life;
  } catch {
    return;
  }
  throw new Error('the power was never cut');
}

test('a journal that falls back while pages are written ends in recover, or in a whole image', async (t: ExecutionContext) => {
  let recovered = 0;
  let whole = 0;
  for (const scene of await scenes()) {
    const { boot, to } = await dryRun(scene);
    for (let operation = boot; operation < to; operation++) {
      const { device, whole: isWhole } = await spoilt(scene, operation);
      const { boot: loader } = device.one!;
      try {
        loader.boot();
      } catch (error) {
        // A cut had erased the other bank: then nothing is left to fall back to, and no image is run either.
        const lost = error instanceof Refusal && error.code === 'BAD_STATE';
        if (!lost && !(error instanceof Bricked)) throw error;
        if (lost) continue;
        recovered++;
        t.false(isWhole(scene.fresh), `operation ${operation}: a whole image is run`);
        continue;
      }
      whole++;
      t.true(isWhole(scene.old) || isWhole(scene.fresh), `operation ${operation}: half an image is run`);
    }
  }
  t.true(recovered > 20, `${recovered}`);
  t.true(whole > 10, `${whole}`);
  t.log(`${recovered} recover, ${whole} run`);
});
