import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BENCH } from '@countersign/broker/collection/branch';
import { makeBranch } from '@countersign/broker/collection/make';
import { tryBranch } from '@countersign/broker/collection/trial/trial';
import { encodeManifest, FRAME_BYTES, makeFrames } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import test from 'ava';
import { shared } from '../support/repository.ts';

const { sha256 } = nodeVerifier();
/** Pairs of released firmware of other projects, kept outside: their licences are theirs. */
const PAIRS = shared('firmware');
const CUTS = 30;

test('deltas between released firmware of other projects stand a trial with thirty power cuts', async (t) => {
  if (!PAIRS) {
    t.log('the folder with firmware pairs is absent: nothing was tried');
    return t.pass();
  }
  for (const pair of readdirSync(PAIRS)) {
    const [old, fresh] = ['old.bin', 'new.bin'].map((name) => join(PAIRS, pair, name));
    if (!existsSync(old!) || !existsSync(fresh!)) continue;
    const running = new Uint8Array(readFileSync(old!));
    const image = new Uint8Array(readFileSync(fresh!));
    for (const memoryClass of ['S', 'L'] as const) {
      const branch = (base?: Uint8Array) => {
        const made = makeBranch({ kind: 'make', image, memoryClass, imageBase: 0, ...(base && { base }) });
        const { payload, frames } = makeFrames(sha256, made.container, FRAME_BYTES[memoryClass]);
        const id = base && { base: { digest: sha256(base), bytes: base.length } };
        return { frames, branch: { ...id, payload, memoryClass, workspaceBytes: made.workspaceBytes } };
      };
      const delta = branch(running);
      const manifest = encodeManifest({
        sequence: 2,
        vendorId: new Uint8Array(16),
        classId: new Uint8Array(16),
        image: { digest: sha256(image), bytes: image.length },
        version: '1',
        policy: 0,
        branches: [delta.branch, branch().branch],
      });
      const summary = await tryBranch({
        ...{ kind: 'trial', image, running, manifest, memoryClass, baseName: 'old', product: pair, version: '1' },
        payload: delta.branch.payload,
        frames: delta.frames,
        slotBytes: Math.max(image.length, running.length),
        bench: { ...BENCH, cuts: CUTS },
      });
      t.is(summary.cuts, CUTS, pair);
      const { bytes } = delta.branch.payload;
      t.log(
        `${pair} ${memoryClass}: ${bytes} of ${image.length} bytes, ${summary.operations} operations, ${summary.seconds} s`,
      );
    }
  }
});
