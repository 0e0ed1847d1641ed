/** Whom an entry is about, for what the distribution server keeps of devices. */
import type { Transaction } from '@countersign/device-sdk/format';
import { readEnrol, readRevoke } from '../ledger/contract/args.ts';
import { readClaimArgs, readListedArgs } from '../ledger/contract/grant-args.ts';

/**
 * Devices that a transaction enrols or revokes, those that enrolled themselves among them.
 * @throws Refusal MALFORMED, TOO_LARGE
 */
export function deviceIdsIn({ action, args }: Transaction): Uint8Array[] {
  if (action === 'revoke') {
    const { kind, id } = readRevoke(args);
    return kind === 'device' ? [id] : [];
  }
  const [word] = [args].flat();
  if (word === 'grant') return [];
  if (word === 'claim') return [readClaimArgs(args).id];
  if (word === 'listed') return [readListedArgs(args).id];
  const enrolled = readEnrol(args);
  return enrolled.kind === 'devices' ? enrolled.devices.map(({ id }) => id) : [];
}
