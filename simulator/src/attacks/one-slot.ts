/**
 * The rows as a device with one slot meets them: the same tries, but for those that need a second image to go back to, and
 * with what only such a device has besides.
 */
import type { Code } from '@countersign/device-sdk';
import type { Attack, Found, Ground, Variant } from './attack.ts';
import { verifier } from './pocket/publisher.ts';
import { mixedRows, setRows } from './rows/device-components.ts';
import { makeScene, recovers, type Scene } from './scene.ts';
import { ATTACKS } from './suite.ts';

interface Difference {
  id: number;
  how: string;
  /** Left out: the try makes no sense there. */
  expect?: Code | 'held';
  why: string;
}

const NO_WAY_BACK = 'there is no other image to go back to';

const ONE_COMPONENT = 'a device with one slot has one component';

export const DIFFERENCES: readonly Difference[] = [
  ...[...mixedRows, ...setRows].map(({ how }) => ({
    id: mixedRows.some((row) => row.how === how) ? 11 : 12,
    how,
    why: ONE_COMPONENT,
  })),
  { id: 7, how: 'signs a release below the device’s own floor', why: NO_WAY_BACK },
  {
    id: 15,
    how: 'signs a delta that names the right base and has the length of another',
    expect: 'UNSUPPORTED',
    why: 'a delta that is not made for one slot is refused before its base is looked at',
  },
  {
    id: 19,
    how: 'promises an image of a gigabyte',
    expect: 'NO_STAGING',
    why: 'what cannot be staged is refused before it is asked whether the slot could hold it',
  },
  {
    id: 20,
    how: 'leaves code in the slot behind where the new image ends',
    why: 'the slot that is written is the one that runs: see the try of its own',
  },
  {
    id: 22,
    how: 'changes the slot between its proof and its trial',
    expect: 'held',
    why: 'the boot stage proves what is staged again, touches nothing and goes on with the old image',
  },
  { id: 45, how: 'cuts the power during operations all over a revert', why: NO_WAY_BACK },
  { id: 46, how: 'installs an image that never comes up', why: NO_WAY_BACK },
  { id: 46, how: 'installs an image whose self-test fails', why: NO_WAY_BACK },
  { id: 46, how: 'installs an image whose self-test never ends', why: NO_WAY_BACK },
  { id: 46, how: 'installs an image that dies once it is confirmed', why: NO_WAY_BACK },
];

/** Tries that only a device with one slot meets, by row. */
const OWN: ReadonlyMap<number, readonly Variant[]> = new Map([
  [20, [leftBehind()]],
  [
    46,
    [
      stays('installs an image whose self-test fails, where none is left to go back to', 'SELF_TEST_FAILED', 'fails'),
      stays('installs an image whose self-test never ends, where none is left to go back to', 'TRIAL_TIMEOUT', 'hangs'),
    ],
  ],
]);

export const ONE_SLOT_ATTACKS: readonly Attack[] = ATTACKS.filter(({ against }) => against.includes('device')).map(
  (attack) => ({ ...attack, variants: [...attack.variants.flatMap((one) => differing(attack, one)), ...own(attack)] }),
);

function own({ id }: Attack): readonly Variant[] {
  return OWN.get(id) ?? [];
}

function differing({ id }: Attack, variant: Variant): Variant[] {
  const difference = DIFFERENCES.find((item) => item.id === id && item.how === variant.how);
  if (!difference) return [variant];
  return difference.expect === undefined ? [] : [{ ...variant, expect: difference.expect }];
}

/** The old image is longer than the new one, and somebody has written behind it: nothing of either may stay. */
function leftBehind(): Variant {
  return {
    how: 'leaves code in the one slot behind where the new image ends',
    expect: 'held',
    async run(ground) {
      const s = await makeScene(ground);
      await s.victim.port.corrupt(0, 12_000, 0x5a);
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(20_000);
      const { sequence, slots } = await s.victim.look();
      const erased = new Uint8Array(16_384).fill(0xff);
      erased.set(s.second.image);
      const clean = slots[0] === Buffer.from(verifier.sha256(erased)).toString('hex');
      const harm = clean ? undefined : 'something unsigned is left in the slot';
      return { harm: sequence === 2 ? harm : 'the release was not taken', codes: s.victim.codes };
    },
  };
}

/** It stays, for there is no other; but it is told as it is, the floor does not rise, and the next release mends it. */
function stays(how: string, expect: Code, bad: 'fails' | 'hangs'): Variant {
  return {
    how,
    expect,
    async run(ground: Ground): Promise<Found> {
      const s = await makeScene(ground, { birth: { bad: [{ sequence: 2, how: bad }] } });
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(60_000);
      const codes = [...s.victim.codes, ...s.server.reports.map(({ code }) => code)].filter((code) => code !== 'OK');
      return { harm: await mended(s), codes };
    },
  };
}

async function mended(s: Scene): Promise<string | undefined> {
  const now = await s.victim.look();
  if (now.floor !== s.before.floor) return `the floor rose to ${now.floor}`;
  if (s.victim.faults[0]) return `the device stopped: ${s.victim.faults[0]}`;
  await s.server.publish(
    s.first.image.map((byte, i) => (i % 97 === 9 ? byte ^ 1 : byte)),
    { bases: [s.second] },
  );
  return recovers(s, 3);
}
