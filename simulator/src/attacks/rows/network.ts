/** Rows 34 and 36 to 39: hosts, mirrors and lines that lie, drop, or dawdle. */
import {
  commandValue,
  encodeAnnouncement,
  encodeAnswer,
  FRAMES,
  REFUSED,
  signStatement,
} from '@countersign/device-sdk/format';
import type { Attack, Variant } from '../attack.ts';
import { flipped } from '../forge.ts';
import { verifier } from '../pocket/publisher.ts';
import { found, heard, lied, makeScene, NOISE, recovers, type Scene } from '../scene.ts';
import { DEVICE_ID, type Lie } from '../victim.ts';
import { bundleLieRows } from './bundle-files.ts';
import { droppingMirrors, lyingMirrors } from './mirrors.ts';
import { peerRedirectRow } from './server-copies.ts';
import { loginRows, pathRows } from './server-network.ts';

const { sha256 } = verifier;
const HOUR = 3_600_000;

export const redirect: Attack = {
  id: 34,
  name: 'redirect',
  source: 'RFC 9124 THREAT.NET.REDIRECT',
  against: ['device', 'server'],
  variants: [
    lied('answers from a host with other content under the same name', 'BAD_FRAME', () =>
      onFrames(() => new Uint8Array(40)),
    ),
    lied('answers with content of the right length', 'BAD_FRAME', () =>
      onFrames((frame) => new Uint8Array(frame.length)),
    ),
    refusedThere('says that there is nothing here', 'NOT_FOUND', 'NOT_FOUND'),
    refusedThere('says that the delta is broken', 'BAD_DELTA', 'LINK_LOST'),
    refusedThere('says that the image does not match', 'RESULT_MISMATCH', 'LINK_LOST'),
    ...loginRows,
    peerRedirectRow,
  ],
};

function onFrames(change: (frame: Uint8Array) => Uint8Array): Lie {
  return (answer) => (answer.kind === FRAMES ? { ...answer, frame: change(answer.frame) } : answer);
}

/** An answer is not signed: whatever code it bears, nothing is held against the release. */
function refusedThere(
  how: string,
  said: 'NOT_FOUND' | 'BAD_DELTA' | 'RESULT_MISMATCH',
  expect: 'NOT_FOUND' | 'LINK_LOST',
): Variant {
  return healing(
    how,
    expect,
    () => (answer) => (answer.kind === FRAMES ? { id: answer.id, kind: REFUSED, code: said, retrySeconds: 0 } : answer),
  );
}

/** After the lie the device takes what is true: it was not locked out, and it has not given the release up. */
function healing(how: string, expect: Variant['expect'], make: (s: Scene) => Lie, passMs = 60_000): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const s = await makeScene(ground, { image: NOISE, publish: { bases: [] } });
      s.victim.lie = make(s);
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(passMs);
      const { harm, codes } = await found(s, ['head', 'other']);
      return { harm: harm ?? (await recovers(s, 2)), codes };
    },
  };
}

export const onPath: Attack = {
  id: 36,
  name: 'changes on the path',
  source: 'RFC 9124 THREAT.NET.ONPATH',
  against: ['device', 'server'],
  variants: [
    lied('turns a bit in the middle of every frame', 'BAD_FRAME', () =>
      onFrames((frame) => flipped(frame, frame.length >> 1)),
    ),
    lied('turns the first bit of every frame', 'BAD_FRAME', () => onFrames((frame) => flipped(frame, 0))),
    lied('turns the last bit of every frame', 'BAD_FRAME', () => onFrames((frame) => flipped(frame, frame.length - 1))),
    lied('cuts a byte off every frame', 'BAD_FRAME', () => onFrames((frame) => frame.slice(0, -1))),
    commanded('turns a bit of a command', 'BAD_SIGNATURE', async (s) => flipped(await command(s, 1), -5)),
    commanded('makes a command with the distribution key', 'WRONG_ROLE', (s) =>
      command(s, 1, DEVICE_ID, 'distribution'),
    ),
    commanded('sends a command to another device', 'held', (s) => command(s, 1, new Uint8Array(16))),
    commanded('sends a command again', 'held', async (s) => {
      const bytes = await command(s, 5);
      await s.victim.hear(bytes, 'command');
      s.baseCounter = (await s.victim.look()).commandCounter;
      return bytes;
    }),
    commanded('sends an older command', 'held', async (s) => {
      await s.victim.hear(await command(s, 5), 'command');
      s.baseCounter = (await s.victim.look()).commandCounter;
      return command(s, 4);
    }),
    heard('turns a bit of every byte position of the rollout, one message each', 'held', async (s) => {
      const parts = await s.server.parts();
      for (let at = 3; at < parts.rollout.length; at += 29) {
        await s.victim.hear(encodeAnnouncement({ ...parts, rollout: flipped(parts.rollout, at) }));
        await s.victim.pass(2_500);
      }
      return new Uint8Array(4);
    }),
    ...pathRows,
  ],
};

interface Commanded extends Scene {
  baseCounter: number;
}

function command(s: Scene, counter: number, deviceId = DEVICE_ID, role: 'command' | 'distribution' = 'command') {
  return signStatement(sha256, 'cmd', commandValue({ deviceId, counter, command: 2 }), s.server.signers[role]);
}

/** The stored counter of commands may not move. */
function commanded(how: string, expect: Variant['expect'], make: (s: Commanded) => Promise<Uint8Array>): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const s: Commanded = { ...(await makeScene(ground)), baseCounter: 0 };
      const bytes = await make(s);
      const asked = s.victim.requests.length;
      await s.victim.hear(bytes, 'command');
      await s.victim.pass(500);
      const { commandCounter } = await s.victim.look();
      const obeyed = commandCounter !== s.baseCounter ? `the counter moved to ${commandCounter}` : undefined;
      const again = s.victim.requests.length > asked ? 'the device did what it was told' : undefined;
      const { harm, codes } = await found(s);
      return { harm: harm ?? obeyed ?? again, codes };
    },
  };
}

export const dropped: Attack = {
  id: 37,
  name: 'dropped requests',
  source: 'Uptane',
  against: ['device'],
  variants: [
    healing('drops every frame', 'LINK_LOST', () => (answer) => (answer.kind === FRAMES ? [] : answer)),
    healing('drops every answer', 'LINK_LOST', () => () => []),
    ...droppingMirrors,
    healing('drops every second answer', 'held', () => everySecond(), HOUR),
    erased(),
  ],
};

function everySecond(): Lie {
  let count = 0;
  return (answer) => (++count % 2 === 0 ? [] : answer);
}

/** The retained announcement was erased: the device asks by itself. */
function erased(): Variant {
  return {
    how: 'erases the announcement and drops the link for a day',
    expect: 'held',
    async run(ground) {
      const s = await makeScene(ground);
      s.victim.online = false;
      await s.victim.take(await s.victim.port.link(false));
      await s.victim.pass(24 * HOUR);
      const { harm } = await found(s);
      s.server.time += 86_400;
      return { harm: harm ?? (await recovers(s, 2)), codes: [] };
    },
  };
}

export const slow: Attack = {
  id: 38,
  name: 'slow retrieval',
  source: 'Uptane',
  against: ['device'],
  variants: [
    trickle(),
    healing(
      'sends junk between long silences',
      'LINK_LOST',
      () => (answer) => (answer.kind === FRAMES ? { ...answer, index: 4_000_000 } : answer),
      10 * 60_000,
    ),
    patience(),
  ],
};

/** One good frame just before the device's patience of four rounds ends: no round is ever empty for good. */
function trickle(): Variant {
  return {
    how: 'trickles whole frames, one in 27 seconds',
    expect: 'LINK_LOST',
    async run(ground) {
      const s = await makeScene(ground, { image: NOISE_LONG, publish: { bases: [] } });
      const { victim, server } = s;
      let id = 0;
      victim.lie = (answer) => {
        if (answer.kind !== FRAMES) return answer.kind === 6 ? { ...answer, announcement: null } : answer;
        id = answer.id;
        return [];
      };
      await victim.hear(await server.announcement());
      const { payload } = s.second.manifest.branches[0]!;
      const began = victim.elapsedMs;
      for (let index = 0; index < payload.frameCount && victim.codes.length === 0; index++) {
        await victim.pass(27_000);
        if (victim.codes.length > 0) break;
        await victim.hear(encodeAnswer({ id, kind: FRAMES, index, frame: server.frames(payload)[index]! }), 'answer');
      }
      const { harm, codes } = await found(s, ['head', 'other']);
      const long = victim.elapsedMs - began > 20 * 60_000 ? 'it was held for more than 20 minutes' : undefined;
      return { harm: harm ?? long, codes };
    },
  };
}

const NOISE_LONG = Uint8Array.from(
  { length: 16_000 },
  (_, i) => NOISE[i % NOISE.length]! ^ (i > NOISE.length ? 0x3c : 0),
);

/** A server that asks for patience is asked again within the regular interval all the same, and is not asked in vain. */
function patience(): Variant {
  return {
    how: 'asks for a day of patience with every answer',
    expect: 'held',
    async run(ground) {
      const s = await makeScene(ground);
      s.victim.lie = (answer) => ({ id: answer.id, kind: REFUSED, code: 'BUSY', retrySeconds: 86_400 });
      await s.victim.boot();
      const asked = s.victim.requests.length;
      await s.victim.pass(4 * HOUR);
      const harm = s.victim.requests.length - asked < 2 ? 'it did not ask again' : undefined;
      return { harm: harm ?? (await recovers(s, 2)), codes: [] };
    },
  };
}

export const mirror: Attack = {
  id: 39,
  name: 'malicious mirror',
  source: 'TUF',
  against: ['device'],
  variants: [
    healing('serves junk for every frame', 'BAD_FRAME', () => onFrames((frame) => new Uint8Array(frame.length))),
    bounded(),
    ...lyingMirrors,
    ...bundleLieRows,
    healing(
      'serves every third frame wrong',
      'held',
      () => {
        let count = 0;
        return (answer) =>
          answer.kind === FRAMES && ++count % 3 === 0 ? { ...answer, frame: flipped(answer.frame, 9) } : answer;
      },
      10_000,
    ),
  ],
};

/** Eight wrong frames end the fetch: a mirror may not burn a device's traffic. */
function bounded(): Variant {
  return {
    how: 'serves junk for as long as it is asked',
    expect: 'BAD_FRAME',
    async run(ground) {
      const s = await makeScene(ground, { image: NOISE, publish: { bases: [] } });
      s.victim.lie = (answer) =>
        answer.kind === FRAMES
          ? { ...answer, frame: new Uint8Array(answer.frame.length) }
          : answer.kind === 6
            ? { ...answer, announcement: null }
            : answer;
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(60_000);
      const { harm, codes } = await found(s, ['head', 'other']);
      const burnt = s.victim.frames > 64 ? `${s.victim.frames} frames were fetched` : undefined;
      return { harm: harm ?? burnt, codes };
    },
  };
}
