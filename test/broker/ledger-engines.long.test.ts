/**
 * The contract's suite on Hyperledger Fabric: on the small network of the tests, where the chaincode runs in Fabric's own
 * runtime, and on a true one where FABRIC_GATEWAY names its connection profile.
 */
import test from 'ava';
import { type FabricNetwork, fabricNetwork } from '../support/fabric/network.ts';
import { contractSuite } from './engines/contract-suite.ts';
import { fabricEngine, freshLedger } from './engines/engine.ts';

let network: FabricNetwork;
test.before(async () => {
  network = await fabricNetwork();
});
test.after.always(() => network?.close());

contractSuite(fabricEngine('fabric-shim', async () => freshLedger(await network.profile('suite'))));

const { FABRIC_GATEWAY: path } = process.env;
if (path) contractSuite(fabricEngine('Fabric network', () => freshLedger(path)));
else {
  test('Fabric network: left out, FABRIC_GATEWAY names no connection profile', (t) => {
    t.log('set FABRIC_GATEWAY to a profile as docs/OPERATIONS.md describes it, and this suite runs on that network');
    t.pass();
  });
}
