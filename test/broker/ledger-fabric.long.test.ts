/** The client of Hyperledger Fabric against a small network: true chaincode on fabric-shim, true gateway protobufs, TLS. */
import { join } from 'node:path';
import { auditFolder } from '@countersign/broker/ledger/audit';
import type { EmbeddedLedger } from '@countersign/broker/ledger/embedded/source';
import { fabricSource } from '@countersign/broker/ledger/fabric/fabric-source';
import { readProfile } from '@countersign/broker/ledger/fabric/profile';
import { mirrored } from '@countersign/broker/ledger/mirror/mirrored';
import test from 'ava';
import { type FabricNetwork, fabricNetwork } from '../support/fabric/network.ts';
import { addProduct, newWorld, publish, verifier } from './ledger-world.ts';

let network: FabricNetwork;
test.before(async () => {
  network = await fabricNetwork();
});
test.after.always(() => network?.close());

test('a release goes through two organisations, and every read is our own', async (t) => {
  const path = await network.profile('releases');
  const engine = async (ledger: EmbeddedLedger, dir: string) =>
    mirrored(fabricSource(await readProfile(path)), ledger, { folder: join(dir, 'ledger') });
  const world = await newWorld({ quorum: 1, engine });
  t.teardown(() => world.end());
  await addProduct(world);
  const release = await publish(world, 1);
  t.is((await world.ledger.receipt(release.leaf)).head.head.size, 8);
  const audit = await auditFolder(join(world.dir, 'ledger'), { verifier, trust: world.rootBytes });
  t.true(audit.ok, audit.note);
});
