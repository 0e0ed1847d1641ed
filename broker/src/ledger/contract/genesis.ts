/** Entry 0 is trust root 1, accepted on its own signatures: what it is worth, every device knows from its factory. */
import { demand } from '@countersign/device-sdk';
import { leafHash, type SignedRoot } from '@countersign/device-sdk/format';
import { openRoot } from '@countersign/device-sdk/verify';
import type { Call } from './call.ts';
import { toHex, write } from './state.ts';

/** @throws Refusal MALFORMED, TOO_LARGE, BAD_ROOT, BAD_KEY */
export async function firstRoot(call: Call, bytes: Uint8Array): Promise<SignedRoot> {
  const signed = openRoot(call.verifier, bytes);
  const { version } = signed.root;
  demand(version === 1, 'BAD_ROOT', `a ledger begins with trust root 1, got ${version}`);
  const leaf = toHex(leafHash(call.verifier.sha256, bytes));
  const state = { version, bytes: toHex(bytes), leaf };
  await write(call.stub, 'root', ['current'], state);
  await write(call.stub, 'root', ['version', rootName(version)], state);
  return signed;
}

/** Versions sort as text. */
export function rootName(version: number): string {
  return version.toString().padStart(10, '0');
}
