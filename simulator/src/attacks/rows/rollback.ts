/** Rows 7 and 8: old releases, for a device that runs a newer one and for one that was away. */
import { type Answer, encodeAnnouncement } from '@countersign/device-sdk/format';
import type { Attack, Variant } from '../attack.ts';
import { altered } from '../forge.ts';
import { verifier } from '../pocket/publisher.ts';
import { changed, heard, lied, type Scene, type SceneOptions } from '../scene.ts';

const { sha256 } = verifier;
const UPDATED = { updated: true };
const DAY = 86_400;

export const rollback: Attack = {
  id: 7,
  name: 'rollback',
  source: 'TUF, Uptane; RFC 9124 THREAT.IMG.EXPIRED, REQ.SEC.SEQUENCE',
  against: ['device'],
  variants: [
    replay('replays the announcement of the old release', UPDATED),
    heard(
      'shows the old release under the newest head',
      'NOT_CURRENT',
      async (s) => {
        const { rollout } = s.server;
        return encodeAnnouncement({ ...(await s.server.parts(s.first)), rollout });
      },
      UPDATED,
    ),
    heard(
      'opens the old release again, with the log’s help',
      'ROLLBACK',
      async (s) => {
        await s.server.roll(s.first);
        return s.server.announcement(s.first);
      },
      UPDATED,
    ),
    heard(
      'signs another release with the running sequence',
      'ROLLBACK',
      async (s) => {
        await s.server.publish(changed(s.second.image, 9), { bases: [s.second], change: { sequence: 2 } });
        return s.server.announcement();
      },
      UPDATED,
    ),
    heard('signs a release below the device’s own floor', 'ROLLBACK', belowFloor, {
      birth: { bad: [{ sequence: 3, how: 'ages' }] },
    }),
    heard('offers what the index’s floor forbids', 'ROLLBACK', async (s) => {
      s.server.index = { ...s.server.index!, floor: 3 };
      return altered(s, ({ indexProof }) => ({ indexProof: { ...indexProof, floor: 3 } }));
    }),
    heard('offers what the trust root’s floor forbids', 'ROLLBACK', (s) => s.server.announcement(), {
      root: { floors: [{ classId: sha256(new TextEncoder().encode('pocket class')).slice(0, 16), floor: 3 }] },
    }),
    heard('hides the index’s floor', 'NOT_CURRENT', async (s) => {
      s.server.index = { ...s.server.index!, floor: 3 };
      return s.server.announcement();
    }),
    heard('replays an old rollout statement of the newest release', 'NOT_CURRENT', async (s) => {
      const { rollout } = s.server;
      await s.server.roll(s.second, 1);
      return altered(s, () => ({ rollout }));
    }),
    heard(
      'lets a stolen log name an older rollout statement',
      'STALE',
      async (s) => {
        await s.server.roll(s.second, 1);
        await s.victim.hear(await s.server.announcement());
        await s.victim.pass(10_000);
        s.victim.codes = [];
        await s.server.roll(s.second, 0, { rolloutSequence: 1 });
        return s.server.announcement();
      },
      { spare: ['head'] },
    ),
  ],
};

/** What was true once. */
function replay(how: string, options: SceneOptions): Variant {
  let old: Uint8Array = new Uint8Array();
  return heard(how, 'STALE', () => old, {
    ...options,
    first: async (server) => {
      old = await server.announcement();
      await options.first?.(server);
    },
  });
}

/** The device confirmed 3, which then never came up again: it runs 1, and 2 is newer and below its floor. */
async function belowFloor(s: Scene): Promise<Uint8Array> {
  const { server, victim } = s;
  await server.publish(changed(s.second.image, 7), { bases: [s.first] });
  await victim.hear(await server.announcement());
  await victim.pass(20_000);
  // The power is back: the loader has gone back, is told again, and the image that died is given up.
  await victim.boot();
  const now = await victim.look();
  if (now.sequence !== 1 || now.floor !== 3) throw new RangeError(`it runs ${now.sequence} with floor ${now.floor}`);
  s.before = now;
  victim.codes = [];
  const options = { bases: [s.first], change: { sequence: 2 }, previousLeaf: s.first.releaseLeaf };
  await server.publish(changed(s.second.image, 8), options);
  return server.announcement();
}

export const offlineOld: Attack = {
  id: 8,
  name: 'a device long offline, an old release',
  source: 'RFC 9124 THREAT.IMG.EXPIRED.OFFLINE',
  against: ['device'],
  variants: [
    heard('offers a release that another one has replaced', 'NOT_CURRENT', async (s) => {
      const { rollout } = s.server;
      await s.server.publish(changed(s.second.image, 9), { bases: [s.second] });
      return encodeAnnouncement({ ...(await s.server.parts(s.second)), rollout });
    }),
    replayToOffline(),
    lied('shows a skipped release that is not the one', 'BAD_CHAIN', ({ first }) => skipped([first.leaf]), skipping()),
    lied('shows no skipped release', 'BAD_CHAIN', () => skipped([]), skipping()),
    lied(
      'shows more releases than were skipped',
      'BAD_CHAIN',
      ({ second, first }) => skipped([second.leaf, first.leaf]),
      skipping(),
    ),
    heard('offers a release whose chain does not reach what runs', 'BAD_CHAIN', async (s) => {
      await s.server.publish(changed(s.second.image, 9), {
        change: { sequence: 2 },
        previousLeaf: s.second.releaseLeaf,
      });
      return s.server.announcement();
    }),
  ],
};

function skipped(entries: Uint8Array[]) {
  return (answer: Answer) => (answer.kind === 3 ? { ...answer, entries } : answer);
}

/** The device runs 1 and hears of 3. */
function skipping(): SceneOptions {
  return {
    first: async (server) =>
      void (await server.publish(changed(server.releases[0]!.image, 3), { bases: [server.releases[0]!] })),
  };
}

/** A day and more after it was true: the device has a clock. */
function replayToOffline(): Variant {
  return heard('replays the last announcement before a long absence', 'FREEZE', async (s) => {
    const bytes = await s.server.announcement();
    await s.victim.pass(2 * DAY * 1000);
    s.victim.codes = [];
    return bytes;
  });
}
