/** Rows 9, 10 and 33: heads that stand still or run ahead, and clocks that lie. */
import {
  type Answer,
  decode,
  encodeAnnouncement,
  FRESHNESS,
  freshValue,
  headDigest,
  ROOTS,
  type Role,
  readHead,
  readStatement,
  signHead,
  signStatement,
} from '@countersign/device-sdk/format';
import type { Attack, Variant } from '../attack.ts';
import { verifier } from '../pocket/publisher.ts';
import { changed, found, heard, makeScene, recovers, type Scene, silent } from '../scene.ts';
import { rotated } from '../stolen.ts';
import { sequenceRows } from './server-approvals.ts';

const { sha256 } = verifier;
const DAY = 86_400;

export const freeze: Attack = {
  id: 9,
  name: 'freeze',
  source: 'TUF, Uptane',
  against: ['device'],
  variants: [
    heard('shows a head older than the trust root allows', 'FREEZE', async (s) => {
      const bytes = await s.server.announcement();
      await s.victim.port.setClock(s.server.time + DAY + 1);
      return bytes;
    }),
    fresh('answers no freshness to a device without a clock', 'LINK_LOST', () => []),
    fresh('answers freshness for another nonce', 'FREEZE', async (s, answer) => [
      { ...answer, statement: await said(s, { nonce: new Uint8Array(16) }) },
    ]),
    fresh('answers freshness for another head', 'FREEZE', async (s, answer) => [
      { ...answer, statement: await said(s, { nonce: nonceOf(answer.statement), headDigest: new Uint8Array(32) }) },
    ]),
    fresh('answers freshness with another key', 'WRONG_ROLE', async (s, answer) => [
      { ...answer, statement: await said(s, { nonce: nonceOf(answer.statement) }, 'fresh', 'distribution') },
    ]),
    fresh('answers freshness with another statement', 'WRONG_TYPE', async (s, answer) => [
      { ...answer, statement: await said(s, { nonce: nonceOf(answer.statement) }, 'ack') },
    ]),
    frozenReported(),
  ],
};

type FreshAnswer = Extract<Answer, { kind: typeof FRESHNESS }>;

function fresh(
  how: string,
  expect: 'FREEZE' | 'LINK_LOST' | 'WRONG_ROLE' | 'WRONG_TYPE',
  change: (s: Scene, answer: FreshAnswer) => FreshAnswer[] | Promise<FreshAnswer[]>,
): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const s = await makeScene(ground, { birth: { clock: null } });
      const honest = s.server.answers.bind(s.server);
      s.server.answers = async (bytes) => {
        const answers = await Promise.all(
          (await honest(bytes)).map(async (answer) => (answer.kind === FRESHNESS ? change(s, answer) : [answer])),
        );
        return answers.flat();
      };
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(20_000);
      return found(s);
    },
  };
}

async function said(
  { server }: Scene,
  value: { nonce: Uint8Array; headDigest?: Uint8Array },
  kind: 'fresh' | 'ack' = 'fresh',
  role: Role = 'command',
): Promise<Uint8Array> {
  const signed = readHead(await signHead(sha256, server.head(), server.signers.log));
  const digest = value.headDigest ?? headDigest(sha256, signed, server.head().root);
  return signStatement(sha256, kind, freshValue({ nonce: value.nonce, headDigest: digest }), server.signers[role]);
}

function nonceOf(statement: Uint8Array): Uint8Array {
  return (decode(readStatement(statement, 'fresh').payload) as Uint8Array[])[0]!;
}

/** The same stale head again and again: the device says so to whoever still hears it, and goes on with the next true one. */
function frozenReported(): Variant {
  return {
    how: 'answers every question with the same stale head',
    expect: 'FREEZE',
    async run(ground) {
      const s = await makeScene(ground);
      const stale = await s.server.announcement();
      s.victim.lie = (answer) => (answer.kind === 6 ? { ...answer, announcement: stale } : answer);
      await s.victim.port.setClock(s.server.time + 2 * DAY);
      await s.victim.hear(stale);
      await s.victim.pass(60_000);
      const { harm, codes } = await found(s);
      const told = s.server.reports.some(({ code }) => code === 'FREEZE');
      s.server.time += 2 * DAY;
      const stuck = await recovers(s, 2);
      return { harm: harm ?? (told ? stuck : 'nobody was told of the freeze'), codes };
    },
  };
}

export const fastForward: Attack = {
  id: 10,
  name: 'fast-forward',
  source: 'TUF',
  against: ['device', 'server'],
  variants: [
    {
      how: 'signs a head so large that honest ones are stale, until a trust root names a restart',
      expect: 'held',
      async run(ground) {
        const s = await makeScene(ground);
        const { server, victim } = s;
        const honest = server.entries.length;
        for (let i = 0; i < 50; i++) server.entries.push(new Uint8Array(20).fill(i));
        await victim.hear(await server.announcement());
        await victim.pass(60_000);
        server.entries.length = honest;
        const { size, root, indexRoot } = server.head();
        const roles = server.root.roles.root;
        await rotated(s, [server.signers.root], roles, { restart: { size, root, indexRoot } });
        const { lie } = victim;
        victim.lie = (answer, request) => (answer.kind === ROOTS ? lie(answer, request) : answer);
        await server.publish(changed(s.second.image, 9), { bases: [s.second] });
        await victim.boot();
        await victim.pass(3_600_000);
        const { sequence } = await victim.look();
        return { harm: sequence === 3 ? undefined : `locked out: ${victim.codes}`, codes: victim.codes };
      },
    },
    {
      how: 'signs a release with the largest sequence, outside the ledger',
      expect: 'NO_RECEIPT',
      async run(ground) {
        const s = await makeScene(ground);
        const honest = await s.server.parts();
        await s.server.publish(changed(s.second.image, 9), { change: { sequence: 2 ** 53 - 1 } });
        const { envelope, rollout } = await s.server.parts();
        await s.victim.hear(encodeAnnouncement({ ...honest, envelope, rollout }));
        await s.victim.pass(20_000);
        return found(s);
      },
    },
    ...sequenceRows,
  ],
};

export const clockAttack: Attack = {
  id: 33,
  name: 'clock attack',
  source: 'uptane-standard#31, #267',
  against: ['device'],
  variants: [
    clock('sets the clock to the largest time', 'FREEZE', 2 ** 52),
    clock('sets the clock a year ahead', 'FREEZE', 365 * DAY),
    {
      how: 'sets the clock back, and takes it away: nothing is locked out',
      expect: 'held',
      async run(ground) {
        const s = await makeScene(ground);
        await s.victim.port.setClock(0);
        const early = await recovers(s, 2);
        await s.server.publish(changed(s.second.image, 9), { bases: [s.second] });
        await s.victim.port.setClock(null);
        return { harm: early ?? (await recovers(s, 3)), codes: s.victim.codes };
      },
    },
    {
      how: 'makes the clock of the log run a year ahead, and holds back what comes later: its heads do not pass for fresh',
      expect: 'FREEZE',
      async run(ground) {
        const s = await makeScene(ground);
        s.server.time += 365 * DAY;
        await s.server.roll(s.second, 1);
        const ahead = await s.server.announcement();
        await s.server.publish(changed(s.second.image, 9), { bases: [s.second] });
        s.victim.lie = silent;
        await s.victim.hear(ahead);
        await s.victim.pass(20_000);
        const { harm, codes } = await found(s);
        // Whoever asks the true server is not locked out, however long the log's clock goes on ahead.
        return { harm: harm ?? (await recovers(s, 3)), codes };
      },
    },
    heard('opens a rollout window that is over', 'NOT_OPEN', (s) => s.server.announcement(), {
      publish: { rollout: { window: { start: 0, end: 1_700_000_000 } } },
      spare: ['head'],
    }),
    heard(
      'offers a head of the same size with an earlier time',
      'STALE',
      async (s) => {
        s.server.time += 60;
        await s.server.roll(s.second, 1);
        await s.victim.hear(await s.server.announcement());
        await s.victim.pass(1_000);
        s.victim.codes = [];
        s.server.time -= 30;
        return s.server.announcement();
      },
      { spare: ['head'] },
    ),
  ],
};

/** A clock that is wrong stops new installs and nothing else; with the true time the release is taken. */
function clock(how: string, expect: 'FREEZE', ahead: number): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const s = await makeScene(ground);
      await s.victim.port.setClock(s.server.time + ahead);
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(20_000);
      const { harm, codes } = await found(s);
      await s.victim.port.setClock(s.server.time + 120);
      return { harm: harm ?? (await recovers(s, 2)), codes };
    },
  };
}
