/**
 * One key, one role; one signature, one meaning. Every kind of statement, by every key of the trust root, in every slot
 * of a device, with the very payload that the slot wants: only the right kind by the right role is taken.
 */
import type { Code } from '@countersign/device-sdk';
import {
  ackValue,
  commandValue,
  decode,
  encodeAnnouncement,
  encodeReceipt,
  encodeRoot,
  encodeSignedRoot,
  FRESHNESS,
  type Head,
  KINDS,
  type Kind,
  leafHash,
  publicKeyOf,
  ROLES,
  type Role,
  readHead,
  readStatement,
  signDetached,
  signHead,
  signStatement,
  type Value,
} from '@countersign/device-sdk/format';
import { nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import { nextRoot, openRoot, proveRelease, shapeAnnouncement } from '@countersign/device-sdk/verify';
import test from 'ava';
import { changed, image, pass } from '../support/hostile.ts';
import { PocketServer, verifier } from '../support/pocket.ts';
import { PocketDevice } from '../support/pocket-device.ts';
import { codeOfRefusal } from '../support/refused.ts';
import { inclusionPath, leavesOf } from '../support/tree.ts';

const { sha256 } = verifier;
const STATEMENTS = KINDS.filter((kind) => kind !== 'head');

async function world() {
  // A peer that nobody has to wait for.
  const peer = publicKeyOf(new PocketServer().signers.peer);
  const server = await PocketServer.create('M', { peers: { threshold: 0, keys: [peer], implicit: [] } });
  const first = await server.publish(image(3));
  const second = await server.publish(changed(first.image, 5), { bases: [first] });
  return { server, first, second, roles: ROLES };
}

/** Every kind by every role, the right pair left out. */
function* wrong(roles: readonly Role[], kind: Kind, role: Role): Generator<[Kind, Role, Code[]]> {
  for (const k of STATEMENTS) {
    for (const r of roles) {
      if (k === kind && r === role) continue;
      yield [k, r, k === kind ? ['WRONG_ROLE'] : ['WRONG_TYPE', 'TOO_LARGE']];
    }
  }
}

test('commands and acknowledgements: any other kind or key in their place changes nothing', async (t) => {
  const { server, first, roles } = await world();
  server.acknowledges = false;
  const device = new PocketDevice(server, first);
  await device.start();
  const { deviceId } = device;
  const [waiting] = device.device!.state.outbox;
  const payloads: [Kind, Value][] = [
    ['cmd', commandValue({ deviceId, counter: 5, command: 2 })],
    ['ack', ackValue({ deviceId, counter: waiting!.counter, leafHash: leafHash(sha256, waiting!.bytes) })],
  ];
  const { command } = device.link!.events!;
  const stored = () => JSON.stringify([device.device!.state.counters.command, device.device!.state.outbox]);
  const before = stored();
  let tried = 0;
  for (const [slot, payload] of payloads) {
    for (const [kind, role] of wrong(roles, slot, 'command')) {
      // A cmd with the payload of an ack is of the right kind and role; its shape refuses it.
      device.events.length = 0;
      command(await signStatement(sha256, kind, payload, server.signers[role]));
      t.is(stored(), before, `${kind} by ${role} as ${slot}`);
      t.is(device.codes().length, 1, `${kind} by ${role} as ${slot}`);
      tried++;
    }
  }
  t.log(`${tried} statements`);
  for (const [slot, payload] of payloads) command(await signStatement(sha256, slot, payload, server.signers.command));
  t.is(device.device!.state.counters.command, 5);
  t.is(device.device!.state.outbox.length, 1);
});

test('freshness: any other kind or key in its place lets nothing be installed', async (t) => {
  const { server, first, roles } = await world();
  let said: [Kind, Role] = ['fresh', 'command'];
  const honest = server.answers.bind(server);
  server.answers = async (bytes) =>
    Promise.all(
      (await honest(bytes)).map(async (answer) => {
        if (answer.kind !== FRESHNESS) return answer;
        const { payload } = readStatement(answer.statement, 'fresh');
        return { ...answer, statement: await signStatement(sha256, said[0], decode(payload), server.signers[said[1]]) };
      }),
    );
  const code = async (kind: Kind, role: Role) => {
    said = [kind, role];
    const device = new PocketDevice(server, first, { clock: false });
    await device.start();
    return device.device!.state.running.sequence === 2 ? 'accepted' : device.codes()[0];
  };
  for (const [kind, role, codes] of wrong(roles, 'fresh', 'command')) {
    // One role for every kind and one kind for every role: a device's life for each pair would take long.
    if (kind === 'fresh' || role === 'command')
      t.true(codes.includes((await code(kind, role)) as Code), `${kind}, ${role}`);
  }
  t.is(await code('fresh', 'command'), 'accepted');
});

test('a rollout statement of another kind or by another key does not make a release current', async (t) => {
  const { server, second, roles } = await world();
  const root = openRoot(verifier, server.rootBytes);
  const rollout = decode(readStatement(server.rollout, 'rollout').payload);
  const code = async (kind: Kind, role: Role) => {
    server.rollout = await signStatement(sha256, kind, rollout, server.signers[role]);
    server.index = { ...server.index!, rolloutDigest: sha256(server.rollout) };
    const bytes = await server.announcement(second);
    return codeOfRefusal(() => proveRelease(verifier, shapeAnnouncement(verifier, bytes), { root: root.root }));
  };
  for (const [kind, role, codes] of wrong(roles, 'rollout', 'command')) {
    t.true(codes.includes((await code(kind, role)) as Code), `${kind} by ${role}`);
  }
  t.is(await code('rollout', 'command'), 'accepted');
});

test('a trust root is signed by root keys as a root and by nothing else', async (t) => {
  const { server, roles } = await world();
  const { root } = openRoot(verifier, server.rootBytes);
  const payload = encodeRoot({ ...server.root, version: 2 });
  const code = async (kind: Kind, role: Role) => {
    const bytes = encodeSignedRoot(payload, [await signDetached(sha256, kind, payload, server.signers[role])]);
    return codeOfRefusal(() => nextRoot(verifier, root, bytes));
  };
  for (const [kind, role] of wrong(roles, 'root', 'root')) {
    t.is(await code(kind, role), kind === 'root' ? 'BAD_ROOT' : 'WRONG_TYPE', `${kind} by ${role}`);
  }
  t.is(await code('root', 'root'), 'accepted');
});

test('a head is signed by the log key: no other key, no other log, no other tree, no statement of a head’s words', async (t) => {
  const { server, second, roles } = await world();
  const { root } = openRoot(verifier, server.rootBytes);
  const parts = await server.parts(second);
  const path = inclusionPath(sha256, leavesOf(sha256, server.entries), second.leafIndex);
  const code = (receipt: Uint8Array) => {
    const bytes = encodeAnnouncement({ ...parts, receipt });
    return codeOfRefusal(() => proveRelease(verifier, shapeAnnouncement(verifier, bytes), { root }));
  };
  const receipt = async (change: Partial<Head>, role: Role) =>
    encodeReceipt(
      readHead(await signHead(sha256, { ...server.head(), ...change }, server.signers[role])),
      second.leafIndex,
      path,
    );
  for (const role of roles) t.is(code(await receipt({}, role)), role === 'log' ? 'accepted' : 'WRONG_ROLE', role);
  t.is(code(await receipt({ origin: 'another.example/log' }, 'log')), 'BAD_HEAD');
  t.is(code(await receipt({ root: server.head().indexRoot }, 'log')), 'NO_RECEIPT');
  t.is(code(await receipt({ indexRoot: server.head().root }, 'log')), 'NOT_CURRENT');
  for (const kind of STATEMENTS) {
    t.not(code(await signStatement(sha256, kind, [1], server.signers.log)), 'accepted');
  }
});

test('a report, a login or a device’s own key opens no slot of a device', async (t) => {
  const { server, first } = await world();
  server.acknowledges = false;
  const device = new PocketDevice(server, first);
  await device.start();
  const own = nodeKeyStore(-19, new Uint8Array(32).fill(42));
  const before = JSON.stringify(device.device!.state.outbox);
  const { outbox } = device.device!.state;
  const { command, announcement, answer } = device.link!.events!;
  const ack = ackValue({ deviceId: device.deviceId, counter: 1, leafHash: leafHash(sha256, outbox[0]!.bytes) });
  const messages = [outbox[0]!.bytes, outbox[1]!.bytes, await signStatement(sha256, 'ack', ack, own)];
  device.events.length = 0;
  for (const bytes of messages) for (const give of [command, announcement, answer]) give(bytes);
  await pass(device, 1000);
  t.is(JSON.stringify(device.device!.state.outbox), before);
  t.deepEqual([...new Set(device.codes())].sort(), ['MALFORMED', 'UNKNOWN_KEY', 'WRONG_TYPE']);
});
