/** Rows 15 and 16: payloads from another base, or in another form. */
import { makeDelta } from '@countersign/broker/delta/index';
import { encodeEnvelope, encodeManifest, FRAMES, type Manifest, signBlock2 } from '@countersign/device-sdk/format';
import type { Attack, Variant } from '../attack.ts';
import { altered } from '../forge.ts';
import { verifier } from '../pocket/publisher.ts';
import { changed, heard, makeScene } from '../scene.ts';
import { DELTA, delta, FIRST, FRESH, FULL, full, header, numbers, OPTIONS } from './containers.ts';

const { sha256 } = verifier;

export const wrongPrecursor: Attack = {
  id: 15,
  name: 'wrong precursor',
  source: 'RFC 9124 THREAT.UPD.WRONG_PRECURSOR',
  against: ['device'],
  variants: [
    delta(
      'signs a delta that starts from another image',
      'WRONG_BASE',
      makeDelta(changed(FRESH, 9), FRESH, OPTIONS).delta,
    ),
    delta(
      'signs a delta that names the right base and has the length of another',
      'BAD_DELTA',
      numbers((list) => list.with(5, list[5]! - 1), DELTA),
    ),
    delta(
      'signs a delta from the right base to another image',
      'BAD_DELTA',
      makeDelta(FIRST, changed(FIRST, 9), OPTIONS).delta,
    ),
    heard('rewrites which image the delta starts from, with D’s key', 'BAD_SIGNATURE', async (s) => {
      const { manifest, leaf, releaseLeaf } = s.second;
      const branches = manifest.branches.map((b) => (b.base ? { ...b, base: { ...b.base, bytes: 1 } } : b));
      const edited = encodeManifest({ ...manifest, branches });
      const { size, root } = s.server.head();
      const block2 = await signBlock2(sha256, edited, { releaseLeaf, size, root }, s.server.signers.distribution);
      return altered(s, () => ({ envelope: encodeEnvelope(sha256, edited, leaf, block2) }));
    }),
    anotherBase('offers a delta whose base has another digest', (base) => ({ ...base, digest: new Uint8Array(32) })),
    anotherBase('offers a delta whose base has another length', (base) => ({ ...base, bytes: base.bytes + 1 })),
  ],
};

/** A delta that does not fit is left aside: the device takes the full image, and asks for no frame of the delta. */
function anotherBase(
  how: string,
  change: (base: { digest: Uint8Array; bytes: number }) => { digest: Uint8Array; bytes: number },
): Variant {
  return {
    how,
    expect: 'held',
    async run(ground) {
      let branches: Manifest['branches'] = [];
      const s = await makeScene(ground, {
        first: (server) => {
          const base = change({ digest: sha256(FIRST), bytes: FIRST.length });
          branches = [server.branch(DELTA, base), server.branch(FULL)];
        },
        publish: {
          change: {
            get branches() {
              return branches;
            },
          },
        },
        image: FRESH,
      });
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(20_000);
      const asked = s.victim.requests.some(
        (request) => request.kind === FRAMES && Buffer.compare(request.chainHead, branches[0]!.payload.chainHead) === 0,
      );
      const { sequence } = await s.victim.look();
      const harm = asked ? 'a delta for another image was asked for' : undefined;
      return { harm: harm ?? (sequence === 2 ? undefined : 'the full image was not taken'), codes: s.victim.codes };
    },
  };
}

export const wrongFormat: Attack = {
  id: 16,
  name: 'wrong format',
  source: 'RFC 9124 THREAT.IMG.FORMAT',
  against: ['device'],
  variants: [
    full('signs a plain image as a payload', 'BAD_DELTA', FRESH),
    full('signs a container of a later version', 'UNSUPPORTED', header(3, 99)),
    full('signs a container with unknown flags', 'BAD_DELTA', header(4, 0x81)),
    full('signs a container that is applied backwards', 'UNSUPPORTED', header(4, FULL[4]! | 2)),
    full('signs a container of an unknown memory class', 'BAD_DELTA', header(5, 200)),
    full('signs a container with an unknown predictor', 'UNSUPPORTED', header(6, 200)),
    full('signs a container with an unknown coder', 'UNSUPPORTED', header(7, 200)),
    full(
      'signs a delta from another image where the full one belongs',
      'WRONG_BASE',
      makeDelta(changed(FRESH, 9), FRESH, OPTIONS).delta,
    ),
  ],
};
