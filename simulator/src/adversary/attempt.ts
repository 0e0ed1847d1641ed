/** Tries an attack on a true device and writes down what happened. Nothing about the result is assumed. */
import { ANNOUNCE, encodeAnswer, readAnswer } from '@countersign/device-sdk/format';
import type { Fleet } from '../fleet/fleet.ts';
import type { Liar } from '../fleet/tap.ts';
import type { VirtualDevice } from '../fleet/virtual-device.ts';
import { lookAt, sameLook } from '../oracle/look.ts';
import type { AttackRow } from '../report/outcome.ts';
import type { Attack, Hostile } from './attacks.ts';

/** A device answers hostile bytes within milliseconds; frames, and a lost link, are tried again a few times first. */
const PATIENCE_MS = 30_000;
/** After the first answer: long enough for a device that changed its mind to begin an install. */
const AFTERMATH_MS = 300;
/** Nothing new from an idle device for so long: what was on its way when it was cut off has been answered. */
const QUIET_MS = 300;

/**
 * @returns refused only if the device named a code, and its boot slot, image, floor and everything it believes are what
 * they were before
 */
export async function attempt(
  fleet: Fleet,
  victim: VirtualDevice,
  attack: Attack,
  hostile: Hostile,
): Promise<AttackRow> {
  if ('announcement' in hostile) await cutOff(fleet, victim);
  const before = lookAt(victim);
  const seen = { code: undefined as string | undefined, stages: 0 };
  const unwatch = fleet.watch((device, change) => {
    if (device !== victim) return;
    // The network gave up before the bytes were looked at: no answer to them, and the device will ask again.
    if ('code' in change && change.code === 'LINK_LOST') return;
    if (change.kind === 'refused') seen.code ??= change.code;
    // Frames may be asked for; an image that is whole, and everything after it, is a success of the attack.
    if (change.kind === 'stage' && change.code !== 'OK') seen.code ??= change.code;
    else if (change.kind === 'stage' && change.stage !== 'verify') seen.stages++;
    if (change.kind === 'updated' || change.kind === 'stuck') seen.stages++;
  });
  try {
    await begin(fleet, victim, hostile);
    await fleet.until(() => seen.code !== undefined || seen.stages > 0, PATIENCE_MS);
    await fleet.until(() => false, AFTERMATH_MS);
    const unharmed = seen.stages === 0 && sameLook(before, lookAt(victim));
    const refused = seen.code !== undefined && unharmed;
    return { name: attack.name, refused, outcome: refused ? 'refused' : 'survived', code: seen.code ?? null };
  } finally {
    unwatch();
    victim.liar = undefined;
    victim.dismissRefusal();
  }
}

/**
 * A liar on the link of an idle device keeps true announcements away, so that what it answers is about the false one.
 * One that was already on its way when the liar came (the abort of the last rollout, say) is waited for: its refusal
 * was once written down as the answer to the attack.
 */
async function cutOff(fleet: Fleet, victim: VirtualDevice): Promise<void> {
  victim.liar = SILENCE;
  let last = Date.now();
  const unwatch = fleet.watch((device) => {
    if (device === victim) last = Date.now();
  });
  try {
    await fleet.until(() => Date.now() - last >= QUIET_MS, PATIENCE_MS);
  } finally {
    unwatch();
    victim.dismissRefusal();
  }
}

async function begin(fleet: Fleet, victim: VirtualDevice, hostile: Hostile): Promise<void> {
  if ('announcement' in hostile) {
    victim.inject(hostile.announcement);
    return;
  }
  victim.liar = hostile.liar;
  if (victim.state === undefined) await fleet.switchOn([victim]);
  else victim.powerCycle();
}

const SILENCE: Liar = {
  announcement: () => undefined,
  answer(bytes) {
    const answer = readAnswer(bytes);
    return answer.kind === ANNOUNCE ? encodeAnswer({ ...answer, announcement: null }) : bytes;
  },
};
