/** A gateway whose server is away, and one that lies: what has to wait for limits of time. */
import { ANNOUNCEMENT, ANSWER } from '@countersign/device-sdk/host/local/format';
import test from 'ava';
import { childOf, liar, NEW, OLD, pause, world } from '../support/relay-world.ts';

test('what one child has fetched serves the next one while the server is away, and reports wait on the disk', async (t) => {
  const w = await world(t, 2);
  const [first, second] = w.children as [(typeof w.children)[0], (typeof w.children)[0]];
  await w.server.publish(NEW, { version: '1.0.1', bases: [w.server.releases[0]!] });
  first.start();
  await first.until(({ version, device }) => version === '1.0.1' && device!.state.outbox.length === 0);
  w.upstream.go();
  second.start();
  await second.until(({ version }) => version === '1.0.1');
  t.deepEqual(second.image(NEW.length), NEW);
  await second.until(({ device }) => device!.state.outbox.length === 2);
  while (w.relay.counts().reportsWaiting < 2) await pause();
  const before = w.server.reports.filter(({ deviceId }) => deviceId[0] === 2);
  t.deepEqual(before, [], 'nothing has reached the server');

  // The child sleeps, and the gateway is started again: what is on its disk is what counts.
  await second.stop();
  await w.again();
  t.is(w.relay.counts().reportsWaiting, 2);
  w.upstream.comeBack();
  while (w.relay.counts().reportsWaiting > 0) await pause();
  t.deepEqual(
    w.server.reports.filter(({ deviceId }) => deviceId[0] === 2).map(({ counter }) => counter),
    [1, 2],
  );
  second.start();
  await second.until(({ device }) => device!.state.outbox.length === 0);
});

test('a gateway that lies is one more lying network: nothing is lost, and the truth still arrives', async (t) => {
  const w = await world(t, 0);
  await w.server.publish(NEW, { version: '1.0.1', bases: [w.server.releases[0]!] });
  const older = await w.server.announcement();
  let honest = false;
  const lies: Record<string, { codes: RegExp; alter: (kind: number, content: Uint8Array) => Uint8Array[] }> = {
    'announcements with one bit flipped': {
      codes: /MALFORMED|BAD_SIGNATURE|UNKNOWN_KEY|NO_RECEIPT|BAD_CHAIN|NOT_CURRENT|UNSUPPORTED|TOO_LARGE|LINK_LOST/,
      alter: (kind, content) => [kind === ANNOUNCEMENT ? flipped(content, content.length - 40) : content],
    },
    'answers with one bit flipped': {
      codes: /MALFORMED|BAD_FRAME|SPLIT_VIEW|BAD_SIGNATURE|LINK_LOST/,
      alter: (kind, content) => [kind === ANSWER ? flipped(content, content.length - 3) : content],
    },
    'answers withheld': { codes: /LINK_LOST/, alter: (kind, content) => (kind === ANSWER ? [] : [content]) },
    'answers to other questions': {
      codes: /LINK_LOST/,
      alter: (kind, content) => [kind === ANSWER ? flipped(content, 3) : content],
    },
  };
  const children = Object.entries(lies).map(async ([name, { codes, alter }], i) => {
    const url = await liar(t, w.url, (kind, content) => (honest ? [content] : alter(kind, content)));
    const child = childOf(w, 10 + i, { url });
    w.children.push(child);
    child.start();
    await child.until(() => child.codes().length > 0);
    t.regex(child.codes().join(), codes, name);
    t.is(child.version, '1.0.0', name);
    t.deepEqual(child.image(OLD.length), OLD, name);
    return child;
  });
  const lied = await Promise.all(children);
  honest = true;
  // What a device does by itself after seconds or minutes: it starts again, and asks.
  for (const child of lied) {
    await child.stop();
    child.start();
  }
  await Promise.all(lied.map((child) => child.until(({ version }) => version === '1.0.1')));

  // Replayed, and forged.
  const [child] = lied as [(typeof lied)[0]];
  await child.until(({ device }) => device!.state.outbox.length === 0);
  await w.server.publish(OLD, { version: '1.0.2', bases: [w.server.releases[1]!] });
  await child.stop();
  child.url = await liar(t, w.url, (kind, content) => (kind === ANNOUNCEMENT ? [older] : [content]));
  child.start();
  await child.until(({ version }) => version === '1.0.2');
  await child.until(() => child.codes().includes('STALE'));
  t.pass();
});

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, i) => (i === Math.max(0, at) ? byte ^ 1 : byte));
}
