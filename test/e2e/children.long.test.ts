/** Twenty children of one gateway: an update over the line, then one that is carried by hand while there is no line. */
import { join } from 'node:path';
import { makeBundle } from '@countersign/broker/face/client/bundle';
import { BundleFile } from '@countersign/device-sdk/host/bundle/file';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { readSample } from '@countersign/firmware-samples';
import test from 'ava';
import { pause } from '../support/relay-world.ts';
import { PRODUCT, site } from '../support/site.ts';

const CHILDREN = 20;

test('twenty children update over the line and without it, and every report is in the ledger', async (t) => {
  t.timeout(600_000);
  const s = await site(t, CHILDREN);
  const arrive = async (version: string) => {
    await Promise.all(s.children.map((child) => child.until((own) => own.version === version)));
    const image = new Uint8Array(readSample(PRODUCT, version));
    for (const child of s.children) t.deepEqual(child.image(image.length), image);
  };
  const frames = async () =>
    ((await s.session.api.get('/api/v1/distribution')) as { requests: { frames: number } }).requests.frames;

  const first = await s.roll('1.0.1');
  for (const child of s.children) child.start();
  await arrive('1.0.1');
  while ((await s.updated(first)) < CHILDREN) await pause();
  t.is(await frames(), s.relay.counts().framesFetched);
  const line = await frames();

  // The next release is rolled out while the site is asleep, put into a file, and the server goes.
  await Promise.all(s.children.map((child) => child.stop()));
  const second = await s.roll('1.1.0');
  const out = join(s.folder, 'bundle');
  const { head } = await makeBundle(
    s.session,
    { release: `${PRODUCT}@1.1.0`, from: `${PRODUCT}@1.0.1`, full: true },
    out,
  );
  t.is(await frames(), line, 'nothing of it has crossed the line');
  await s.serverGoes();
  await s.again({ shelves: [new BundleFile(out, nodeVerifier().sha256)] });
  for (const child of s.children) child.start();
  await arrive('1.1.0');
  t.is(s.relay.counts().framesFetched, 0, 'all frames came from the file');
  t.true(head.payloads.length > 0);
  while (s.relay.counts().reportsWaiting < 2 * CHILDREN) await pause();

  await s.serverComes();
  while ((await s.updated(second)) < CHILDREN) await pause();
  while (s.relay.counts().reportsWaiting > 0) await pause();
  await Promise.all(s.children.map((child) => child.until(({ device }) => device!.state.outbox.length === 0)));
});

test('three children update behind a gateway that has HTTP alone, and their reports arrive', async (t) => {
  const s = await site(t, 3, ['devices']);
  const rollout = await s.roll('1.0.1');
  for (const child of s.children) child.start();
  await Promise.all(s.children.map((child) => child.until(({ version }) => version === '1.0.1')));
  while ((await s.updated(rollout)) < 3) await pause();
  const { payloads } = (await makeBundle(s.session, { release: `${PRODUCT}@1.0.1`, full: false }, join(s.folder, 'b')))
    .head;
  t.is(s.relay.counts().framesFetched, payloads[0]!.frameCount, 'each frame of the delta crossed the line once');
});
