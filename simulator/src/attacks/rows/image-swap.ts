/** Rows 20 to 22: another image than the signed one, or more of it. */
import { makeFull } from '@countersign/broker/delta/index';
import type { Code } from '@countersign/device-sdk';
import { ANNOUNCE, FRAMES } from '@countersign/device-sdk/format';
import type { Attack, Variant } from '../attack.ts';
import { flipped } from '../forge.ts';
import { verifier } from '../pocket/publisher.ts';
import { changed, found, lied, makeScene, NOISE, recovers } from '../scene.ts';
import { FRESH, FULL, full, OPTIONS, tagged } from './containers.ts';

const { sha256 } = verifier;

export const extraData: Attack = {
  id: 20,
  name: 'extra data after the image',
  source: 'RFC 9124 THREAT.IMG.EXTRA',
  against: ['device'],
  variants: [
    full('appends a byte to the container', 'BAD_DELTA', Uint8Array.from([...FULL, 0])),
    full(
      'writes a longer image than the manifest names',
      'BAD_DELTA',
      makeFull(Uint8Array.from([...FRESH, 1, 2, 3, 4]), OPTIONS).delta,
    ),
    full(
      'writes a longer image under the tag of the signed one',
      'BAD_DELTA',
      tagged(makeFull(Uint8Array.from([...FRESH, 1]), OPTIONS).delta),
    ),
    cleared(),
  ],
};

/** What lay behind the old image in the slot is gone: it is not signed, and might be run. */
function cleared(): Variant {
  return {
    how: 'leaves code in the slot behind where the new image ends',
    expect: 'held',
    async run(ground) {
      const s = await makeScene(ground, { image: FRESH });
      await s.victim.port.corrupt(1, 12_000, 0x5a);
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(20_000);
      const { sequence, slots } = await s.victim.look();
      const erased = new Uint8Array(16_384).fill(0xff);
      erased.set(FRESH);
      const clean = slots[1] === Buffer.from(sha256(erased)).toString('hex');
      const harm = clean ? undefined : 'something unsigned is left in the slot';
      return { harm: sequence === 2 ? harm : 'the release was not taken', codes: s.victim.codes };
    },
  };
}

export const coverage: Attack = {
  id: 21,
  name: 'a hash that covers too little',
  source: 'RAUC CVE-2026-34155',
  against: ['device'],
  variants: [
    ...[0, 1_499, FRESH.length - 1].map((at) =>
      full(
        `changes byte ${at} of an image under the signed digest`,
        'RESULT_MISMATCH',
        tagged(makeFull(flipped(FRESH, at), OPTIONS).delta),
      ),
    ),
    full('signs the digest of the image’s first half', 'BAD_DELTA', FULL, {
      change: { image: { digest: sha256(FRESH.slice(0, 1_500)), bytes: 1_500 } },
    }),
    ...[2 ** 31, 2 ** 32 - 1].map((bytes) =>
      full(`signs a length of ${bytes}`, 'NO_SPACE', FULL, { change: { image: { digest: sha256(FRESH), bytes } } }),
    ),
    ...[2 ** 32, 2 ** 32 + FRESH.length].map((bytes) =>
      full(`signs a length of ${bytes}`, 'MALFORMED', FULL, { change: { image: { digest: sha256(FRESH), bytes } } }),
    ),
  ],
};

export const payloadSwap: Attack = {
  id: 22,
  name: 'payload swapped after the check',
  source: 'RFC 9124 THREAT.IMG.REPLACE; RAUC CVE-2020-25860',
  against: ['device'],
  variants: [
    swap('changes the slot between its proof and its trial', 'RESULT_MISMATCH', async (s) => {
      s.victim.restarts = false;
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(20_000);
      await s.victim.port.corrupt(1, 1_000, 0x01);
      s.victim.restarts = true;
      await s.victim.boot();
      await s.victim.pass(20_000);
    }),
    swap('changes the slot while the image is written', 'RESULT_MISMATCH', async (s) => {
      const { victim } = s;
      victim.lie = async (answer) => {
        if (answer.kind === FRAMES && answer.index === 3) await victim.port.corrupt(1, 100, 0x01);
        return answer.kind === ANNOUNCE ? { ...answer, announcement: null } : answer;
      };
      await victim.hear(await s.server.announcement());
      await victim.pass(60_000);
    }),
    lied(
      'exchanges a frame that was asked for again',
      'BAD_FRAME',
      () => {
        let lost = false;
        return (answer) => {
          if (answer.kind !== FRAMES) return answer;
          if (!lost) {
            lost = true;
            return [];
          }
          return { ...answer, frame: flipped(answer.frame, answer.frame.length >> 1) };
        };
      },
      { passMs: 60_000 },
    ),
  ],
};

type Swapped = Awaited<ReturnType<typeof makeScene>>;

function swap(how: string, expect: Code, act: (s: Swapped) => Promise<void>): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const s = await makeScene(ground, { image: NOISE, publish: { bases: [] } });
      await act(s);
      const { sequence } = await s.victim.look();
      if (sequence === 2) return { harm: 'the changed image was confirmed', codes: s.victim.codes };
      const { harm, codes } = await found(s, ['head', 'other', 'failed']);
      await s.server.publish(changed(NOISE, 9), { bases: [] });
      return {
        harm: harm ?? (await recovers(s, 3)),
        codes: codes.length > 0 ? codes : s.server.reports.map(({ code }) => code).filter((code) => code !== 'OK'),
      };
    },
  };
}
