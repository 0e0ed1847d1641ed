/** A key that enters the ledger: sound, of an accepted algorithm, and nobody's yet. One key, one role. */
import { demand } from '@countersign/device-sdk';
import { equal, kidOf, type PublicKey } from '@countersign/device-sdk/format';
import { type Call, rootOf } from './call.ts';
import { read, toHex } from './state.ts';

/** @throws Refusal BAD_KEY, UNSUPPORTED, EXISTS */
export async function checkNewKey(call: Call, key: PublicKey): Promise<void> {
  const { verifier } = call;
  const root = await rootOf(call);
  demand(root.algorithms.includes(key.alg), 'UNSUPPORTED', `algorithm ${key.alg} is not accepted by the trust root`);
  verifier.checkKey(key.alg, key.bytes);
  const kid = kidOf(verifier.sha256, key);
  const servers = Object.values(root.roles).flatMap((role) => role.keys);
  const taken = servers.some((server) => equal(kidOf(verifier.sha256, server), kid));
  demand(!taken, 'EXISTS', `key ${toHex(kid)} is a server's`);
  await checkNewKid(call, kid);
}

/** @throws Refusal EXISTS */
export async function checkNewKid(call: Call, kid: Uint8Array): Promise<void> {
  demand(!(await read(call.stub, 'key', toHex(kid))), 'EXISTS', `key ${toHex(kid)} is somebody's already`);
}
