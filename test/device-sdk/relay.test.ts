/** A gateway between children on real sockets and a publisher in the pocket. */
import { ackValue, leafHash, signStatement } from '@countersign/device-sdk/format';
import { COMMAND } from '@countersign/device-sdk/host/local/format';
import test from 'ava';
import { verifier } from '../support/pocket.ts';
import { childOf, liar, NEW, pause, world } from '../support/relay-world.ts';

test('children update through a gateway that fetches each frame once, and their reports arrive', async (t) => {
  const w = await world(t, 4);
  const base = w.server.releases[0]!;
  await w.server.publish(NEW, { version: '1.0.1', bases: [base] });
  for (const child of w.children) child.start();
  await Promise.all(w.children.map((child) => child.until(({ version }) => version === '1.0.1')));
  await Promise.all(w.children.map((child) => child.until(({ device }) => device!.state.outbox.length === 0)));
  for (const child of w.children) t.is(Buffer.compare(child.image(NEW.length), NEW), 0);
  t.true(w.upstream.frames.size > 0);
  t.deepEqual([...new Set(w.upstream.frames.values())], [1], 'each frame was asked for once');
  t.is(w.relay.counts().framesFetched, w.upstream.frames.size);
  const done = new Set(w.server.reports.filter(({ result }) => result === 1).map(({ deviceId }) => deviceId[0]));
  t.deepEqual([...done].sort(), [1, 2, 3, 4]);
  t.is(w.relay.counts().reportsWaiting, 0);
});

test('an acknowledgement that a gateway forges leaves the report where it is', async (t) => {
  const w = await world(t, 0);
  await w.server.publish(NEW, { version: '1.0.1', bases: [w.server.releases[0]!] });
  w.server.acknowledges = false;
  const child = childOf(w, 30);
  w.children.push(child);
  child.start();
  await child.until(({ version, device }) => version === '1.0.1' && device!.state.outbox.length === 2);
  const [{ counter, bytes }] = child.device!.state.outbox as [{ counter: number; bytes: Uint8Array }];
  const value = ackValue({ deviceId: child.deviceId, counter, leafHash: leafHash(verifier.sha256, bytes) });
  const forged = await signStatement(verifier.sha256, 'ack', value, w.server.signers.log);
  await child.stop();
  child.url = await liar(t, w.url, (_, content) => [content], { kind: COMMAND, content: forged });
  child.start();
  await child.until(() => child.codes().some((code) => code === 'WRONG_ROLE'));
  t.is(child.device!.state.outbox.length, 2, 'a key of another role acknowledges nothing');
  while (w.relay.counts().reportsWaiting < 2) await pause();
  w.server.acknowledges = true;
  await child.stop();
  child.start();
  await child.until(({ device }) => device!.state.outbox.length === 0);
  while (w.relay.counts().reportsWaiting > 0) await pause();
  t.pass();
});
