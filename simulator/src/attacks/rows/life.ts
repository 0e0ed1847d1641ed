/** Rows 40 to 43, 45 and 46 as a device lives them: floods, lies about reports, gateways, power, and images that die. */
import { ackValue, leafHash, REFUSED, signStatement } from '@countersign/device-sdk/format';
import type { Attack, Variant } from '../attack.ts';
import { flipped } from '../forge.ts';
import { verifier } from '../pocket/publisher.ts';
import type { Birth } from '../port/port.ts';
import { changed, found, harmOf, makeScene, recovers, type Scene } from '../scene.ts';
import { STRANGER } from '../stolen.ts';
import { DEVICE_ID } from '../victim.ts';
import { hostileChildRows } from './gateway-children.ts';
import { claimRows } from './server-claims.ts';
import { deskRows } from './server-desk.ts';
import { cloneRows, floodRows, gatewayRows, reportRows } from './server-devices.ts';

const { sha256 } = verifier;
const HOUR = 3_600_000;

export const herd: Attack = {
  id: 40,
  name: 'herd, flood, self-made overload',
  source: 'Uptane; hawkBit and Mender issues',
  against: ['device', 'server'],
  variants: [
    {
      how: 'floods the class topic with different announcements',
      expect: 'MALFORMED',
      async run(ground) {
        const s = await makeScene(ground);
        for (let i = 0; i < 60; i++) await s.victim.hear(Uint8Array.of(0x86, 1, i, 0, 0, 0, 0));
        const limited = s.victim.codes.includes('RATE_LIMITED') ? undefined : 'sixty were looked at in a moment';
        const { harm, codes } = await found(s);
        return { harm: harm ?? limited ?? (await recovers(s, 2)), codes };
      },
    },
    {
      how: 'lets the link flap',
      expect: 'held',
      async run(ground) {
        const s = await makeScene(ground);
        const before = await s.victim.look();
        const asked = s.victim.requests.length;
        for (let i = 0; i < 100; i++) {
          await s.victim.take(await s.victim.port.link(false));
          await s.victim.pass(500);
          await s.victim.take(await s.victim.port.link(true));
          await s.victim.pass(500);
        }
        const now = await s.victim.look();
        const worn = now.operations !== before.operations ? 'the flash was written' : undefined;
        const many = s.victim.requests.length - asked > 60 ? 'a request for each connection' : undefined;
        return { harm: harmOf(before, now) ?? worn ?? many, codes: [] };
      },
    },
    {
      how: 'says that it is busy to every question',
      expect: 'held',
      async run(ground) {
        const s = await makeScene(ground);
        s.victim.lie = (answer) => ({ id: answer.id, kind: REFUSED, code: 'BUSY', retrySeconds: 600 });
        await s.victim.boot();
        const asked = s.victim.requests.length;
        await s.victim.pass(HOUR);
        const many = s.victim.requests.length - asked;
        return { harm: many > 12 ? `${many} questions in an hour` : await recovers(s, 2), codes: [] };
      },
    },
    {
      how: 'loses every fetch before its first checkpoint',
      expect: 'LINK_LOST',
      async run(ground) {
        const s = await makeScene(ground, { image: Uint8Array.from({ length: 9_000 }, (_, i) => (i * 7919) >> 3) });
        s.victim.lie = (answer) => ('frame' in answer && answer.index > 0 ? [] : answer);
        await s.victim.hear(await s.server.announcement());
        await s.victim.pass(12 * HOUR);
        const sent = s.victim.frames;
        await s.victim.pass(6 * HOUR);
        const more = s.victim.frames - sent;
        const { harm, codes } = await found(s, ['head', 'other']);
        return { harm: harm ?? (more > 0 ? `${more} more frames were spent on it` : undefined), codes };
      },
    },
    ...floodRows,
  ],
};

export const reports: Attack = {
  id: 41,
  name: 'forged or replayed results',
  source: 'Uptane; RFC 9124 REQ.SEC.REPORTING',
  against: ['device', 'server'],
  variants: [
    acknowledged('acknowledges a report that is not the waiting one', 'held', (s) =>
      ack(s, { leaf: new Uint8Array(32) }),
    ),
    acknowledged('acknowledges a counter that is not there yet', 'held', (s) => ack(s, { counter: 9 })),
    acknowledged('acknowledges for another device', 'held', (s) => ack(s, { deviceId: new Uint8Array(16) })),
    acknowledged('acknowledges with a key of his own', 'UNKNOWN_KEY', (s) => ack(s, { stranger: true })),
    acknowledged('turns a bit of an acknowledgement', 'BAD_SIGNATURE', async (s) => flipped(await ack(s, {}), -3)),
    ...reportRows,
  ],
};

function ack(s: Scene, change: { counter?: number; leaf?: Uint8Array; deviceId?: Uint8Array; stranger?: boolean }) {
  const [oldest] = s.victim.reports;
  const { counter = 1, leaf = leafHash(sha256, oldest!), deviceId = DEVICE_ID, stranger } = change;
  const signer = stranger ? STRANGER : s.server.signers.command;
  return signStatement(sha256, 'ack', ackValue({ deviceId, counter, leafHash: leaf }), signer);
}

/** Two reports wait; none may be given up. */
function acknowledged(how: string, expect: Variant['expect'], make: (s: Scene) => Promise<Uint8Array>): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const s = await makeScene(ground, { updated: true, first: (server) => void (server.acknowledges = false) });
      const before = (await s.victim.look()).outbox;
      await s.victim.hear(await make(s), 'command');
      const after = (await s.victim.look()).outbox;
      const { harm, codes } = await found(s);
      s.server.acknowledges = true;
      await s.victim.boot();
      await s.victim.pass(HOUR);
      const kept = (await s.victim.look()).outbox === 0 ? undefined : 'the true acknowledgement was not taken';
      return { harm: harm ?? (after === before && before > 0 ? kept : `${before} reports, then ${after}`), codes };
    },
  };
}

export const clone: Attack = {
  id: 42,
  name: 'cloned identity',
  source: 'two devices, one identity',
  against: ['server'],
  variants: [...cloneRows, ...claimRows, ...deskRows],
};

export const gateway: Attack = {
  id: 43,
  name: 'hostile gateway',
  source: 'Uptane Primary; hawkBit gateway token',
  against: ['device', 'server'],
  variants: [
    {
      how: 'lies in both directions about everything it carries, then tells the truth',
      expect: 'BAD_FRAME',
      async run(ground) {
        const s = await makeScene(ground);
        const report = s.server.report.bind(s.server);
        s.server.report = async (bytes) => report(bytes).then((said) => said && flipped(said, 40));
        s.victim.lie = (answer) => ('frame' in answer ? { ...answer, frame: flipped(answer.frame, 3) } : answer);
        await s.victim.hear(await s.server.announcement());
        await s.victim.pass(20_000);
        const { harm, codes } = await found(s, ['head', 'other']);
        s.server.report = report;
        return { harm: harm ?? (await recovers(s, 2)), codes };
      },
    },
    {
      how: 'acknowledges reports itself that it has not passed on',
      expect: 'UNKNOWN_KEY',
      async run(ground) {
        const s = await makeScene(ground, { first: (server) => void (server.acknowledges = false) });
        await s.victim.hear(await s.server.announcement());
        await s.victim.pass(20_000);
        s.victim.codes = [];
        const { outbox } = await s.victim.look();
        await s.victim.hear(await ack(s, { stranger: true }), 'command');
        const now = (await s.victim.look()).outbox;
        return { harm: now < outbox ? 'a report was given up' : undefined, codes: s.victim.codes };
      },
    },
    ...gatewayRows,
    ...hostileChildRows,
  ],
};

/** Cuts that are tried here; every operation in every phase is test/power-cut. */
const CUTS = 20;

export const powerCut: Attack = {
  id: 45,
  name: 'power cut at any write',
  source: 'mcuboot#1966, wolfBoot#301',
  against: ['device'],
  variants: [
    ...(['before', 'during', 'after'] as const).map((phase) => cuts(phase, 1, [])),
    cuts('during', 2, []),
    cuts('during', 1, [{ sequence: 2, how: 'fails' }]),
  ],
};

/** An update, cut at operations spread over its whole life: it ends whole in the new image, or in the old with a reason. */
function cuts(phase: 'before' | 'during' | 'after', each: number, bad: Birth['bad']): Variant {
  const end = bad.length > 0 ? 'a revert' : 'an update';
  return {
    how: `cuts the power ${each === 1 ? '' : 'twice '}${phase} operations all over ${end}`,
    expect: 'held',
    async run(ground) {
      const dry = await makeScene(ground, { birth: { bad } });
      const { operations } = dry.before;
      await dry.victim.hear(await dry.server.announcement());
      await dry.victim.pass(20_000);
      const total = (await dry.victim.look()).operations - operations;
      for (let i = 0; i < CUTS; i++) {
        const s = await makeScene(ground, { birth: { bad } });
        const at = Math.floor((i * total) / CUTS);
        await s.victim.port.cutPower(at, phase);
        const harm = await through(s, each - 1, bad.length > 0);
        if (harm) return { harm: `cut ${phase} operation ${at} of ${total}: ${harm}`, codes: [] };
      }
      return { harm: undefined, codes: [] };
    },
  };
}

async function through(s: Scene, more: number, reverts: boolean): Promise<string | undefined> {
  const { victim, server } = s;
  await victim.hear(await server.announcement());
  await victim.pass(20_000, () => victim.cuts > 0);
  for (let cut = victim.cuts; cut > 0 && cut <= more; cut++) {
    await victim.port.cutPower(1, 'during');
    await victim.boot();
    await victim.pass(20_000, () => victim.cuts > cut);
  }
  victim.lie = (answer) => answer;
  await victim.boot();
  await victim.pass(HOUR);
  if (victim.faults[0]) return victim.faults[0];
  const { slot, slots, sequence } = await victim.look();
  const wanted = reverts ? 1 : 2;
  if (sequence !== wanted) return `it runs ${sequence}`;
  const image = server.releases[wanted - 1]!.image;
  const whole = new Uint8Array(16_384).fill(0xff);
  whole.set(image);
  return slots[slot] === Buffer.from(sha256(whole)).toString('hex') ? undefined : 'the running slot is not whole';
}

export const bootLoop: Attack = {
  id: 46,
  name: 'boot loop',
  source: 'esp-idf#7859',
  against: ['device'],
  variants: [
    reverted('installs an image that never comes up', 'dies', 'BOOT_FAILED'),
    reverted('installs an image whose self-test fails', 'fails', 'SELF_TEST_FAILED'),
    reverted('installs an image whose self-test never ends', 'hangs', 'TRIAL_TIMEOUT'),
    reverted('installs an image that dies once it is confirmed', 'ages', 'BOOT_FAILED'),
    vetoed(),
  ],
};

/** Back to the old image, with the reason in a report; offered again, it is not tried again; the next release is taken. */
function reverted(
  how: string,
  bad: Birth['bad'][number]['how'],
  expect: 'BOOT_FAILED' | 'SELF_TEST_FAILED' | 'TRIAL_TIMEOUT',
): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const s = await makeScene(ground, { birth: { bad: [{ sequence: 2, how: bad }] } });
      const { victim, server } = s;
      for (let i = 0; i < 6; i++) {
        await victim.hear(await server.announcement());
        await victim.pass(20_000);
        if (victim.cuts > 0) await victim.boot();
      }
      const now = await victim.look();
      const codes = server.reports.map(({ code }) => code).filter((code) => code !== 'OK');
      const harm = harmOf(s.before, now, ['head', 'other', 'failed', ...(bad === 'ages' ? (['floor'] as const) : [])]);
      const boots = victim.boots;
      await victim.hear(await server.announcement());
      await victim.pass(HOUR);
      const again = victim.boots > boots ? 'it was tried again' : undefined;
      if (harm ?? again) return { harm: harm ?? again, codes };
      await server.publish(changed(s.second.image, 9), { bases: [s.first] });
      return { harm: await recovers(s, 3), codes };
    },
  };
}

/** The owner's word stands above every signature. */
function vetoed(): Variant {
  return {
    how: 'installs against the owner’s veto',
    expect: 'VETO',
    async run(ground) {
      const s = await makeScene(ground, { birth: { veto: true } });
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(20_000);
      return found(s, ['head']);
    },
  };
}
