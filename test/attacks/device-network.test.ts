/** A hostile network against one device: lies, floods, replays, silence. An honest release is always taken afterwards. */
import { Device, type VetoStage } from '@countersign/device-sdk';
import {
  ABORTED,
  ANNOUNCE,
  ackValue,
  CONSISTENCY,
  commandValue,
  ENTRIES,
  encodeAnnouncement,
  encodeAnswer,
  encodeRoot,
  encodeSignedRoot,
  FRAMES,
  FRESHNESS,
  leafHash,
  outcomeOf,
  PAUSED,
  publicKeyOf,
  REFUSED,
  ROOTS,
  readRequest,
  signDetached,
  signStatement,
  thumbprint,
} from '@countersign/device-sdk/format';
import { nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import test from 'ava';
import { changed, image, junk, lying, noise, pass } from '../support/hostile.ts';
import { PocketServer, pocketLink, verifier } from '../support/pocket.ts';
import { PocketDevice } from '../support/pocket-device.ts';

const { sha256 } = verifier;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** THREATS, what bounds a hostile network. */
const SPENT_FACTOR = 24;
const SPENT_BYTES_MIN = 262_144;

async function world() {
  const server = await PocketServer.create('M');
  const first = await server.publish(image(3));
  return { server, first };
}

/** The next trust root, signed by the only root key, which both versions name. */
async function nextRoot(server: PocketServer, change = {}): Promise<Uint8Array> {
  Object.assign(server.root, { version: server.root.version + 1, ...change });
  const payload = encodeRoot(server.root);
  return encodeSignedRoot(payload, [await signDetached(sha256, 'root', payload, server.signers.root)]);
}

const sequence = (device: PocketDevice) => device.device!.state.running.sequence;

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
  const second = await nextRoot(server);
  let honest = false;
  lying(server, (answer) => {
    if (answer.kind !== ROOTS) return answer;
    return { ...answer, roots: [honest ? second : server.rootBytes] };
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

test('garbage while a device waits for its turn does not cost it its turn; a pause does', async (t) => {
  for (const pause of [false, true]) {
    const { server, first } = await world();
    const device = new PocketDevice(server, first);
    await device.start();
    const second = await server.publish(changed(first.image, 5), { bases: [first], rollout: { jitterSeconds: 3000 } });
    device.link!.events!.announcement(await server.announcement());
    await pass(device, 1000);
    device.link!.events!.announcement(junk(1));
    await pass(device, 1000);
    if (pause) {
      await server.roll(second, PAUSED);
      device.link!.events!.announcement(await server.announcement());
    }
    await pass(device, 3000 * 1000);
    t.is(device.board.boot.restartRequested, !pause);
    t.is(device.codes().includes('NOT_OPEN'), pause);
  }
});

test('a device without a clock asks for freshness again after its turn has come', async (t) => {
  const { server, first } = await world();
  let asked = 0;
  lying(server, (answer) => {
    if (answer.kind === FRESHNESS) asked++;
    return answer;
  });
  const device = new PocketDevice(server, first, { clock: false });
  await device.start();
  await server.publish(changed(first.image, 5), { bases: [first], rollout: { jitterSeconds: 600 } });
  device.link!.events!.announcement(await server.announcement());
  await pass(device, 10 * MINUTE);
  t.is(asked, 2);
  t.true(device.board.boot.restartRequested);
});

test('a pause that comes while the owner is asked about the restart stops the trial', async (t) => {
  const { server, first } = await world();
  let paused: Uint8Array | undefined;
  const allow = async (stage: VetoStage) => {
    if (stage === 'restart' && paused) device.link!.events!.announcement(paused);
    return true;
  };
  const device = new PocketDevice(server, first, { ports: { veto: { allow } } });
  await device.start();
  const second = await server.publish(changed(first.image, 5), { bases: [first] });
  const open = await server.announcement();
  await server.roll(second, PAUSED);
  paused = await server.announcement();
  device.link!.events!.announcement(open);
  await pass(device, 10 * MINUTE);
  t.false(device.board.boot.restartRequested);
  t.is(device.device!.state.pending?.phase, 'staged');
  t.is(device.board.boot.record.trial, undefined);
});

test('a trial that waits for its restart is taken back when the rollout is aborted', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  const second = await server.publish(changed(first.image, 5), { bases: [first], policy: 3 });
  await device.start();
  t.is(device.device!.state.pending?.phase, 'trial');
  await server.roll(second, ABORTED);
  device.link!.events!.announcement(await server.announcement());
  await pass(device, MINUTE);
  t.is(device.board.boot.record.trial, undefined, 'the loader has been told');
  t.deepEqual(server.reports.map(outcomeOf), ['trial', 'refused']);
  t.is(server.reports[1]!.code, 'NOT_OPEN');
  await device.start();
  t.is(sequence(device), 1);
  await server.roll(second);
  await device.start();
  await device.start();
  t.is(sequence(device), 2, 'a new rollout of it is taken');
});

test('an owner who hangs or breaks has said no, and the device goes on listening', async (t) => {
  const answers = [() => new Promise<boolean>(() => {}), () => Promise.reject(new Error('broken'))];
  for (const allow of [
    ...answers,
    () => {
      throw new Error('broken');
    },
  ]) {
    const { server, first } = await world();
    const device = new PocketDevice(server, first, { ports: { veto: { allow } } });
    await server.publish(changed(first.image, 5), { bases: [first] });
    await device.start();
    await pass(device, 2 * MINUTE);
    t.deepEqual([...new Set(device.codes())], ['VETO']);
    t.false(device.events.some((event) => event.kind === 'fault'));
  }
});

test('a self-test that throws or hangs ends in a revert with its reason', async (t) => {
  for (const [code, selfTest] of [
    [
      'SELF_TEST_FAILED',
      () => {
        throw new Error('broken');
      },
    ],
    ['TRIAL_TIMEOUT', () => new Promise<boolean>(() => {})],
  ] as const) {
    const { server, first } = await world();
    const device = new PocketDevice(server, first, { ports: { health: { selfTest, deadlineMs: 1000 } } });
    await server.publish(changed(first.image, 5), { bases: [first] });
    const timer = setInterval(() => device.time.step(), 1);
    await device.start();
    clearInterval(timer);
    t.is(sequence(device), 1);
    t.is(server.reports[1]?.code, code);
  }
});

test('an image that never comes up is tried twice, reported, and never again', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await server.publish(changed(first.image, 5), { bases: [first], policy: 3 });
  await device.start();
  for (let crash = 0; crash < 2; crash++) {
    t.is(device.device!.state.pending?.phase, 'trial');
    await device.device!.stop();
    t.is(device.board.boot.boot().trial, true, 'the loader jumps into it, and nothing comes back');
    await device.start();
  }
  t.is(device.device!.state.pending, undefined);
  t.deepEqual(server.reports.map(outcomeOf), ['trial', 'trial', 'reverted']);
  t.is(server.reports[2]!.code, 'BOOT_FAILED');
  device.link!.events!.announcement(await server.announcement());
  await pass(device, HOUR);
  t.true(device.codes().includes('FAILED_BEFORE'));
  t.is(device.board.boot.record.trial, undefined);
  t.is(server.reports.length, 3);
});

test('an image that was confirmed and then never boots again is told to the loader three times, and given up', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  const second = await server.publish(changed(first.image, 5), { bases: [first] });
  const { boot } = device.board;
  const confirm = boot.confirm.bind(boot);
  boot.confirm = () => {
    throw new Error('the power is gone');
  };
  await t.throwsAsync(() => device.start(), { message: 'the power is gone' });
  boot.confirm = confirm;
  t.is(device.device!.state.floor, 2, 'the journal has confirmed');
  const start = boot.boot.bind(boot);
  let crashes = 0;
  let crashing = true;
  boot.boot = () => {
    let booted = start();
    for (; crashing && booted.slot === 1; booted = start()) crashes++;
    return booted;
  };
  for (let restarts = 0; restarts < 3; restarts++) await device.start();
  t.is(crashes, 3);
  const { running, floor, handover } = device.device!.state;
  t.is(running.sequence, 1);
  t.is(floor, 2, 'nothing below what was confirmed is installed; what runs is not stopped');
  t.is(handover, undefined);
  t.deepEqual(device.runningImage(first.image.length), first.image);
  t.deepEqual(server.reports.map(outcomeOf), ['trial', 'updated', 'reverted']);
  const said = server.reports[2]!;
  t.is(said.code, 'BOOT_FAILED');
  t.deepEqual(said.rolloutId, server.reports[1]!.rolloutId);
  t.deepEqual(said.slotDigest, sha256(first.image));
  device.link!.events!.announcement(await server.announcement());
  await pass(device, HOUR);
  t.true(device.codes().includes('FAILED_BEFORE'));
  t.is(server.reports.length, 3);
  crashing = false;
  await server.publish(changed(first.image, 6), { bases: [second, first] });
  await device.start();
  t.is(sequence(device), 3, 'the next release is taken, by the delta from what runs');
});

test('a loader that went back after a confirmation is told again, and the image is kept', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await server.publish(changed(first.image, 5), { bases: [first] });
  const { boot } = device.board;
  const confirm = boot.confirm.bind(boot);
  boot.confirm = () => {
    throw new Error('the power is gone');
  };
  await t.throwsAsync(() => device.start(), { message: 'the power is gone' });
  boot.confirm = confirm;
  await device.start();
  t.is(sequence(device), 2);
  t.is(boot.record.good, 1);
  t.deepEqual(server.reports.map(outcomeOf), ['trial', 'updated']);
  await server.publish(changed(first.image, 6), { bases: [server.releases[1]!] });
  await device.start();
  t.is(sequence(device), 3);
});

test('a slot that does not hold what the journal confirmed is never given to the loader', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await server.publish(changed(first.image, 5), { bases: [first] });
  const { boot } = device.board;
  const confirm = boot.confirm.bind(boot);
  boot.confirm = () => {
    throw new Error('the power is gone');
  };
  await t.throwsAsync(() => device.start(), { message: 'the power is gone' });
  boot.confirm = confirm;
  device.board.slots[1].corrupt(100, 0x01);
  await device.start();
  t.is(sequence(device), 1);
  t.is(boot.record.trial, undefined);
  t.is(server.reports.at(-1)!.code, 'RESULT_MISMATCH');
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
    const bytes = await nextRoot(server, { revocations: [{ thumbprint: print, logSize }] });
    lying(server, (answer) => (answer.kind === ROOTS ? { ...answer, roots: [bytes] } : answer));
    await device.start();
    t.is(sequence(device), code === 'OK' ? 2 : 1, `${role} ${logSize}`);
    t.is(device.codes().includes('REVOKED'), code === 'REVOKED');
  }
});

test('an acknowledgement of other bytes with the same counter is not taken', async (t) => {
  const { server, first } = await world();
  server.acknowledges = false;
  const device = new PocketDevice(server, first);
  await server.publish(changed(first.image, 5), { bases: [first] });
  await device.start();
  const { deviceId } = device;
  const value = ackValue({ deviceId, counter: 1, leafHash: leafHash(sha256, new Uint8Array(200)) });
  device.link!.events!.command(await signStatement(sha256, 'ack', value, server.signers.command));
  t.is(device.device!.state.outbox.length, 2);
});

test('outcomes that meet a full outbox are told when there is room again', async (t) => {
  const { server, first } = await world();
  server.acknowledges = false;
  const device = new PocketDevice(server, first, { passes: (version) => version !== '1.0.5' });
  let last = first;
  for (let i = 1; i <= 5; i++) {
    last = await server.publish(changed(first.image, i), { bases: [last] });
    await device.start();
  }
  t.is(device.device!.state.outbox.length, 8, 'four updates have filled it, the fifth was reverted');
  t.is(sequence(device), 5);
  server.acknowledges = true;
  await device.start();
  await pass(device, HOUR);
  t.is(device.device!.state.outbox.length, 0);
  const counters = server.reports.map((report) => report.counter);
  t.deepEqual(
    counters,
    [...counters.keys()].map((i) => i + 1),
    'the chain has no gap',
  );
  t.is(outcomeOf(server.reports.at(-1)!), 'reverted');
  t.is(server.reports.at(-1)!.code, 'SELF_TEST_FAILED');
});

test('a report that power took away after the last branch failed is made up for, once', async (t) => {
  const { server, first } = await world();
  const key = nodeKeyStore(-19, new Uint8Array(32).fill(42));
  let broken = true;
  const sign = async (message: Uint8Array) => {
    if (broken && Buffer.from(message).includes('countersign-report')) throw new Error('the power is gone');
    return key.sign(message);
  };
  const device = new PocketDevice(server, first, { ports: { keys: { ...key, sign } } });
  const { branches } = (await server.publish(image(13))).manifest;
  server.releases.pop();
  await server.publish(changed(first.image, 5), { change: { branches } });
  await t.throwsAsync(() => device.start(), { message: 'the power is gone' });
  t.is(device.device!.state.failed[0]?.count, 2, 'the only branch carries another image');
  t.deepEqual(server.reports, []);
  broken = false;
  for (let boot = 0; boot < 2; boot++) {
    await device.start();
    t.deepEqual(
      server.reports.map((report) => report.code),
      ['FAILED_BEFORE'],
    );
  }
});

test('two refusals in turn are reported once each', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first, { ports: { workspace: new Uint8Array(16) } });
  await server.publish(changed(first.image, 5), { bases: [first] });
  await device.start();
  const good = await server.announcement();
  server.time -= 100_000;
  server.entries.push(new Uint8Array(40));
  const stale = await server.announcement();
  server.time += 100_000;
  for (let i = 0; i < 6; i++) {
    server.entries.push(new Uint8Array(40));
    for (const bytes of [stale, stale, await server.announcement(), good]) {
      device.link!.events!.announcement(bytes);
      await pass(device, 10_000);
    }
  }
  t.is(server.reports.filter((report) => report.code === 'NO_MEMORY').length, 1);
  t.true(server.reports.length <= 2);
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
  const bytes = await nextRoot(server, { restart: { size, root, indexRoot } });
  lying(server, (answer) => (answer.kind === ROOTS ? { ...answer, roots: [bytes] } : answer));
  await server.publish(changed(first.image, 6), { bases: [first] });
  await device.start();
  t.is(device.device!.state.root.root.version, 2);
  t.is(sequence(device), 3);
});

test('a fetch that is lost again and again before a checkpoint is given up, and opens again by command', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await server.publish(image(11, 14_000));
  let sent = 0;
  const lies = lying(server, (answer) => {
    if (answer.kind !== FRAMES) return answer;
    sent++;
    return answer.index === 0 ? answer : [];
  });
  await device.start();
  for (let i = 0; i < 60; i++) await pass(device, 10 * MINUTE);
  t.true(device.codes().includes('CAP_REACHED'));
  t.deepEqual(
    server.reports.map((report) => report.code),
    ['CAP_REACHED'],
  );
  const before = sent;
  for (let i = 0; i < 12; i++) await pass(device, 60 * MINUTE);
  t.is(sent, before, 'nothing more is spent on it');
  lies.on = false;
  const value = commandValue({ deviceId: device.deviceId, counter: 1, command: 2 });
  device.link!.events!.command(await signStatement(sha256, 'cmd', value, server.signers.command));
  await pass(device, MINUTE);
  t.true(device.board.boot.restartRequested);
});

test('a rollout costs a device no more bytes than its cap, over days and restarts, and the next release starts anew', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  const { branches } = (await server.publish(image(11, 14_000), { checkpointBytes: 4096 })).manifest;
  const cap = Math.max(SPENT_BYTES_MIN, SPENT_FACTOR * branches[0]!.payload.bytes);
  let bytes = 0;
  // Every question is answered, with frames of their right length of which none is ever the last one.
  const lies = lying(server, (answer) => {
    if (answer.kind !== FRAMES) return answer;
    const frames = Array.from({ length: 20 }, () => ({ ...answer, index: 0 }));
    for (const { frame } of frames) bytes += frame.length;
    return answer.index === branches[0]!.payload.frameCount - 1 ? frames : [answer, ...frames];
  });
  const day = async () => {
    server.time += (24 * HOUR) / 1000;
    await pass(device, 24 * HOUR);
  };
  await device.start();
  const spent = () => device.device!.state.spent!.bytes;
  for (let i = 0; i < 60 && spent() < cap; i++) {
    await day();
    if (i % 2 === 0) await device.start();
  }
  const codes = server.reports.map(({ code, result }) => [code, result]);
  t.deepEqual(codes, [['CAP_REACHED', 4]], 'LwM2M: the connection was lost');
  t.true(spent() >= cap && spent() < cap + 16_384, 'the last answer may go beyond it');
  const before = bytes;
  await device.start();
  for (let i = 0; i < 3; i++) await day();
  t.is(bytes, before, 'neither a restart nor a day opens it');
  t.is(server.reports.length, 1);
  lies.on = false;
  await server.publish(changed(first.image, 6), { bases: [first] });
  await device.start();
  t.is(sequence(device), 3);
});

test('a flood of frames that nobody waits for ends the fetch long before it has used up what the rollout may cost', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await server.publish(image(11, 14_000));
  const lies = lying(server, (answer) =>
    answer.kind === FRAMES ? Array.from({ length: 1000 }, () => ({ ...answer, index: 4_000_000 })) : answer,
  );
  await device.start();
  t.deepEqual([...new Set(device.codes())], ['LINK_LOST']);
  t.true(lies.told >= 4);
  lies.on = false;
  await pass(device, 5 * MINUTE);
  t.true(device.board.boot.restartRequested, 'the next way to the server is not made to pay for it');
});

test('what a whole image has cost does not use up what the delta may cost that is chosen after a restart', async (t) => {
  const server = await PocketServer.create('M');
  const first = await server.publish(noise(300_000));
  const device = new PocketDevice(server, first, { board: { slotBytes: 524_288 } });
  const { branches } = (await server.publish(changed(first.image, 5), { bases: [first] })).manifest;
  const [delta, whole] = branches.map(({ payload }) => payload);
  t.true(SPENT_FACTOR * delta!.bytes < SPENT_BYTES_MIN && whole!.bytes > SPENT_BYTES_MIN);
  const lies = lying(server, (answer, request) => {
    if (answer.kind !== FRAMES || request.kind !== FRAMES) return answer;
    const known = Buffer.compare(request.chainHead, whole!.chainHead) === 0;
    if (!known) return { id: answer.id, kind: REFUSED, code: 'NOT_FOUND', retrySeconds: 0 };
    return answer.index < whole!.frameCount - 20 ? answer : [];
  });
  await device.start();
  await pass(device, 2 * MINUTE);
  t.true(device.device!.state.spent!.bytes > SPENT_BYTES_MIN);
  lies.on = false;
  await device.start();
  t.deepEqual([device.codes().includes('CAP_REACHED'), sequence(device)], [false, 2]);
});

test('a link that flaps costs few requests, few reports and few records of the store', async (t) => {
  const { server, first } = await world();
  server.acknowledges = false;
  const device = new PocketDevice(server, first);
  await server.publish(changed(first.image, 5), { bases: [first] });
  await device.start();
  let requests = 0;
  let reports = 0;
  const { link } = device;
  link!.request = async () => void requests++;
  link!.report = async () => void reports++;
  const operations = device.board.power.operations;
  for (let i = 0; i < 300; i++) {
    link!.events!.down();
    await pass(device, 500);
    link!.events!.up();
    await pass(device, 500);
  }
  t.log(`${requests} requests, ${reports} reports in 5 minutes of 300 connections`);
  t.true(requests <= 70 && reports <= 20);
  t.is(device.board.power.operations, operations);
});

test('logins are counted ahead: one record for many connections, and none is used twice', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  let login: (() => Promise<Uint8Array>) | undefined;
  const link = pocketLink(server);
  const open = link.open.bind(link);
  link.open = (events, make) => {
    login = make;
    open(events, make);
  };
  const seen = new Set<string>();
  for (let boot = 0; boot < 3; boot++) {
    const one = new PocketDevice(server, first, { ports: { link, store: device.board.store } });
    await one.start();
    const before = device.board.power.operations;
    for (let i = 0; i < 31; i++) seen.add(Buffer.from(await login!()).toString('hex'));
    t.is(device.board.power.operations, before);
  }
  t.is(seen.size, 93);
});

test('a second device on the same flash stops the first', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await device.start();
  const older = device.device!;
  const again = new PocketDevice(server, first, { ports: { store: device.board.store, slots: device.board.slots } });
  await again.start();
  const before = device.board.power.operations;
  await server.publish(changed(first.image, 5), { bases: [first] });
  device.link!.events!.announcement(await server.announcement());
  await pass(device, MINUTE);
  t.is(device.board.power.operations, before, 'the first writes nothing more');
  t.is(older.state.running.sequence, 1);
  t.true(again.device instanceof Device);
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
