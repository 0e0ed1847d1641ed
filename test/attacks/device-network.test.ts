/** A hostile network against one device: lies, floods, replays, silence. An honest release is always taken afterwards. */
import {
  ANNOUNCE,
  CONSISTENCY,
  commandValue,
  ENTRIES,
  encodeAnnouncement,
  encodeAnswer,
  FRAMES,
  type PublicKey,
  publicKeyOf,
  REFUSED,
  ROOTS,
  readRequest,
  type Signer,
  signStatement,
  thumbprint,
} from '@countersign/device-sdk/format';
import test from 'ava';
import { changed, HOUR, image, junk, lying, MINUTE, noise, pass, sequence, world } from '../support/hostile.ts';
import { rotate, verifier } from '../support/pocket.ts';
import { PocketDevice } from '../support/pocket-device.ts';
import { keyOf } from '../support/root-life.ts';

const { sha256 } = verifier;

test('a server that answers with a code against the branch does not get it on the list of failures', async (t) => {
  const { server, first } = await world();
  const lies = lying(server, (answer) =>
    answer.kind === FRAMES ? { id: answer.id, kind: REFUSED, code: 'BAD_DELTA', retrySeconds: 0 } : answer,
  );
  const device = new PocketDevice(server, first);
  await server.publish(changed(first.image, 5), { bases: [first] });
  await device.start();
  await pass(device, HOUR);
  t.true(lies.told > 4);
  t.deepEqual(device.device!.state.failed, []);
  lies.on = false;
  await device.start();
  t.is(sequence(device), 2);
});

test('a delta that the server does not have is left for the full image, in RAM alone', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  const { branches } = (await server.publish(changed(first.image, 5), { bases: [first] })).manifest;
  const asked = new Set<number>();
  const refusals = new Set<number>();
  lying(server, (answer, request) => {
    if (request.kind !== FRAMES) return answer;
    const branch = branches.findIndex(({ payload }) => Buffer.compare(payload.chainHead, request.chainHead) === 0);
    asked.add(branch);
    if (branch === 0) refusals.add(answer.id);
    return branch === 0 ? { id: answer.id, kind: REFUSED, code: 'NOT_FOUND', retrySeconds: 0 } : answer;
  });
  await device.start();
  t.is(sequence(device), 2);
  t.deepEqual([...asked], [0, 1], 'the delta first; the last branch has no base');
  t.is(refusals.size, 2, 'asked twice, then left');
  t.deepEqual(device.device!.state.failed, []);
});

test('a server that has nothing does not make a release look failed, and it is taken when there is something', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  const second = await server.publish(changed(first.image, 5), { bases: [first] });
  const wanted = new Set<string>();
  const lies = lying(server, (answer, request) => {
    if (request.kind !== FRAMES) return answer;
    wanted.add(Buffer.from(request.chainHead).toString('hex'));
    return { id: answer.id, kind: REFUSED, code: 'NOT_FOUND', retrySeconds: 0 };
  });
  await device.start();
  await pass(device, 2 * HOUR);
  t.is(wanted.size, second.manifest.branches.length, 'each branch has been tried');
  t.deepEqual([...new Set(device.codes())], ['NOT_FOUND']);
  t.deepEqual(device.device!.state.failed, []);
  t.deepEqual(server.reports, []);
  lies.on = false;
  await pass(device, HOUR);
  await device.start();
  t.is(sequence(device), 2);
});

test('lies about skipped releases and about consistency are not held against the announcement', async (t) => {
  for (const kind of [ENTRIES, CONSISTENCY] as const) {
    const { server, first } = await world();
    const lies = lying(server, (answer) => {
      if (answer.kind !== kind) return answer;
      return kind === ENTRIES ? { id: answer.id, kind: ENTRIES, entries: [first.leaf] } : { ...answer, path: [] };
    });
    const device = new PocketDevice(server, first);
    await server.publish(changed(first.image, 5), { bases: [first] });
    await server.publish(changed(first.image, 6), { bases: [first] });
    await device.start();
    t.true(lies.told > 0);
    t.is(sequence(device), 1);
    lies.on = false;
    await pass(device, 2 * MINUTE);
    await device.start();
    t.is(sequence(device), 3);
  }
});

test('lies about trust roots are not held against the announcement that needs them', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  const [former] = server.roots;
  const next = await rotate(server);
  let honest = false;
  lying(server, (answer) => {
    if (answer.kind !== ROOTS) return answer;
    return { ...answer, roots: [honest ? next : former!] };
  });
  await server.publish(changed(first.image, 5), { bases: [first] });
  await device.start();
  t.true(device.codes().includes('BAD_ROOT'));
  t.is(device.device!.state.root.root.version, 1);
  honest = true;
  await device.start();
  t.is(device.device!.state.root.root.version, 2);
  t.is(sequence(device), 2);
});

test('a flood of garbage on the topic does not keep a device from asking, nor the answer away', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first, { ports: { askSeconds: 300 } });
  await device.start();
  await server.publish(changed(first.image, 5), { bases: [first] });
  for (let i = 0; i < 12 * 120 && sequence(device) === 1 && !device.board.boot.restartRequested; i++) {
    for (let j = 0; j < 4; j++) device.link!.events!.announcement(junk(4 * i + j));
    await pass(device, 500);
  }
  t.true(device.codes().includes('RATE_LIMITED'));
  t.true(device.board.boot.restartRequested, 'the release was verified and staged during the flood');
  await device.start();
  t.is(sequence(device), 2);
});

test('frames that nobody waits for do not hold an install open, and frames of another length are the link’s fault', async (t) => {
  for (const [index, bytes, code] of [
    [4_000_000, 1_500, 'LINK_LOST'],
    [0, 1_500, 'BAD_FRAME'],
  ] as const) {
    const { server, first } = await world();
    const device = new PocketDevice(server, first);
    await device.start();
    await server.publish(image(11));
    let id = 0;
    lying(server, (answer, request) => {
      if (request.kind !== FRAMES) return answer;
      id = request.id;
      return [];
    });
    const { announcement, answer } = device.link!.events!;
    announcement(await server.announcement());
    for (let second = 0; second < 600 && !device.codes().includes(code); second++) {
      await pass(device, 1000);
      answer(encodeAnswer({ id, kind: FRAMES, index, frame: new Uint8Array(bytes) }));
    }
    t.deepEqual(device.codes(), [code]);
    t.true(device.time.now < 5 * MINUTE);
    t.deepEqual(device.device!.state.failed, []);
  }
});

test('a server that trickles whole frames is left after a while; what was done is kept', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await device.start();
  const second = await server.publish(noise(16_000), { checkpointBytes: 4096 });
  const { frameCount } = second.manifest.branches[0]!.payload;
  t.true(frameCount > 27);
  let sent = 0;
  lying(server, (answer) => (answer.kind === FRAMES ? [] : answer));
  const link = device.link!;
  const request = link.request.bind(link);
  let id = 0;
  link.request = async (bytes) => {
    const asked = readRequest(bytes);
    if (asked.kind === FRAMES) id = asked.id;
    return request(bytes);
  };
  link.events!.announcement(await server.announcement());
  const began = device.time.now;
  // One good frame just before the device's patience of four rounds ends: no round of frames is ever empty for good.
  for (let i = 0; i < frameCount && !device.codes().includes('LINK_LOST'); i++, sent++) {
    await pass(device, 27_000);
    const frame = server.frames(second.manifest.branches[0]!.payload)[i]!;
    link.events!.answer(encodeAnswer({ id, kind: FRAMES, index: i, frame }));
  }
  t.true(device.codes().includes('LINK_LOST'));
  t.true(sent < frameCount && device.time.now - began < 15 * MINUTE);
  t.truthy(device.device!.state.pending?.progress);
});

test('a replay of an older announcement does not stop an install under way', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  const old = await server.announcement();
  await server.publish(changed(first.image, 5), { bases: [first] });
  const older = await server.announcement();
  await server.publish(changed(first.image, 6), { bases: [first] });
  lying(server, (answer, request) => {
    if (request.kind === FRAMES) for (const bytes of [old, older]) device.link!.events!.announcement(bytes);
    return answer;
  });
  await device.start();
  t.is(sequence(device), 3);
  t.false(device.codes().includes('NOT_OPEN'));
});

test('an announcement of another class, valid in itself, does not stop an install under way', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await server.publish(changed(first.image, 5), { bases: [first] });
  const index = server.index!;
  const foreign = new Uint8Array(16).fill(1);
  const rollout = server.rollout;
  const [mine] = server.releases.splice(1);
  await server.publish(image(5), { change: { classId: foreign }, rollout: { classId: foreign } });
  server.index = { ...server.index!, classId: foreign };
  const other = await server.announcement();
  server.releases.splice(1, 1, mine!);
  server.entries.push(rollout);
  Object.assign(server, { index, rollout });
  lying(server, (answer, request) => {
    if (request.kind === FRAMES) device.link!.events!.announcement(other);
    return answer;
  });
  await device.start();
  t.is(sequence(device), 2);
  t.true(device.events.every((event) => event.kind !== 'refused' || event.code !== 'NOT_OPEN'));
});

test('a key revoked by the next trust root is not taken, except for what stands before its place in the log', async (t) => {
  for (const [role, code] of [
    ['collection', 'OK'],
    ['collection', 'REVOKED'],
    ['distribution', 'REVOKED'],
    ['log', 'REVOKED'],
  ] as const) {
    const { server, first } = await world();
    const device = new PocketDevice(server, first);
    await server.publish(changed(first.image, 5), { bases: [first] });
    const logSize = code === 'OK' ? server.entries.length : 3;
    const print = thumbprint(sha256, publicKeyOf(server.signers[role]));
    await rotate(server, { revocations: [{ thumbprint: print, logSize }] });
    await device.start();
    t.is(sequence(device), code === 'OK' ? 2 : 1, `${role} ${logSize}`);
    t.is(device.codes().includes('REVOKED'), code === 'REVOKED');
  }
});

test('an announcement that crosses with a newer one is no alarm; one that stays is', async (t) => {
  for (const stays of [false, true]) {
    const { server, first } = await world();
    const device = new PocketDevice(server, first, { clock: false });
    await device.start();
    await server.publish(changed(first.image, 5), { bases: [first] });
    const crossed = await server.announcement();
    server.time += 600; // the log signs its head again
    if (stays) lying(server, (answer) => (answer.kind === ANNOUNCE ? { ...answer, announcement: crossed } : answer));
    device.link!.events!.announcement(crossed);
    await pass(device, 2 * MINUTE);
    t.deepEqual(
      server.reports.map((report) => report.code),
      stays ? ['FREEZE'] : ['OK'],
    );
  }
});

test('a restart head in a new trust root frees a device that a thief of the log key has run away with', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await server.publish(changed(first.image, 5), { bases: [first] });
  await device.start();
  const honest = server.entries.length;
  for (let i = 0; i < 50; i++) server.entries.push(new Uint8Array(20).fill(i));
  device.link!.events!.announcement(await server.announcement());
  await pass(device, MINUTE);
  t.is(device.device!.state.head.size, honest + 50);
  server.entries.length = honest;
  const { size, root, indexRoot } = server.head();
  await rotate(server, { restart: { size, root, indexRoot } });
  await server.publish(changed(first.image, 6), { bases: [first] });
  await device.start();
  t.is(device.device!.state.root.root.version, 2);
  t.is(sequence(device), 3);
});

test('a thief of the command key who used the highest number there is does not keep his successor from being heard', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await server.publish(changed(first.image, 5), { bases: [first] });
  await device.start();
  const thief = server.signers.command;
  const heard = () => device.device!.state.counters.command;
  const say = async (counter: number, by: Signer) => {
    const value = commandValue({ deviceId: device.deviceId, counter, command: 1 });
    device.link!.events!.command(await signStatement(sha256, 'cmd', value, by));
  };
  await say(Number.MAX_SAFE_INTEGER, thief);
  t.is(heard(), Number.MAX_SAFE_INTEGER);
  const next = keyOf('the next command key');
  const both = [thief, next].map(publicKeyOf);
  const roles = (keys: PublicKey[]) => ({
    ...server.root.roles,
    command: { threshold: 1, keys, implicit: [] },
  });
  // While the former key counts, what it has signed before is not heard again.
  await rotate(server, { roles: roles(both) });
  await device.start();
  t.is(device.device!.state.root.root.version, 2);
  t.is(heard(), Number.MAX_SAFE_INTEGER);
  const print = thumbprint(sha256, both[0]!);
  await rotate(server, { roles: roles(both), revocations: [{ thumbprint: print, logSize: 1 }] });
  await device.start();
  t.is(device.device!.state.root.root.version, 3);
  t.is(heard(), 0);
  await say(Number.MAX_SAFE_INTEGER, thief);
  t.is(heard(), 0);
  await say(1, next);
  t.is(heard(), 1);
});

test('what is too large is refused before it is parsed or hashed', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await device.start();
  const bytes = encodeAnnouncement({ ...(await server.parts()), rollout: new Uint8Array(1 << 20) });
  const { announcement, command, answer } = device.link!.events!;
  for (const give of [announcement, command, answer]) give(bytes);
  t.deepEqual(device.codes(), ['TOO_LARGE', 'TOO_LARGE', 'TOO_LARGE']);
});

test('a server that asks for patience is asked later, but not for longer than the regular interval', async (t) => {
  const { server, first } = await world();
  let asked = 0;
  lying(server, (answer) => {
    if (answer.kind !== ANNOUNCE) return answer;
    asked++;
    return { id: answer.id, kind: REFUSED, code: 'BUSY', retrySeconds: 86_400 };
  });
  const device = new PocketDevice(server, first);
  await device.start();
  t.is(asked, 1);
  await pass(device, 20 * MINUTE);
  t.is(asked, 1);
  await pass(device, 2 * HOUR);
  t.true(asked >= 2 && asked <= 4);
});
