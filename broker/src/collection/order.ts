/** What an engineer asks for, and what is checked of it before any work is done. */
import { demand } from '@countersign/device-sdk';
import {
  POLICY_DOWNGRADE,
  POLICY_LOG,
  POLICY_MANDATORY,
  POLICY_REBOOT,
  VERSION_CHARS_MAX,
} from '@countersign/device-sdk/format';
import type { ReleaseView } from '../ledger/contract/views.ts';

export type Policy = ReleaseView['policy'];

export interface ReleaseOrder {
  /** Class id in hex, or the product's name where only one vendor has it. */
  product: string;
  /** A label for people, of 1 to 32 printable characters. */
  version: string;
  policy: Policy;
  /** The name under which the engineer knows the file. */
  fileName: string;
  /** Versions to make deltas from, instead of the releases in the field. At most 7. */
  bases?: string[];
}

/** The contract's limit for a file name. */
export const FILE_NAME_CHARS_MAX = 128;

/** @throws Refusal BAD_REQUEST */
export function checkLabels({ version, fileName }: ReleaseOrder): void {
  demand(isLabel(version, VERSION_CHARS_MAX), 'BAD_REQUEST', 'a version label has 1 to 32 printable characters');
  demand(isLabel(fileName, FILE_NAME_CHARS_MAX), 'BAD_REQUEST', 'a file name has 1 to 128 printable characters');
}

/** @throws Refusal BAD_REQUEST, NO_SPACE */
export function checkOrder(image: Uint8Array, order: ReleaseOrder, product: { name: string; slotBytes: number }): void {
  checkLabels(order);
  demand(image.length > 0, 'BAD_REQUEST', 'the image is empty');
  const fits = image.length <= product.slotBytes;
  demand(fits, 'NO_SPACE', `the image has ${image.length} bytes, a slot of ${product.name} has ${product.slotBytes}`);
}

/** The policy bits of a manifest. */
export function policyBits(policy: Policy): number {
  return (
    (policy.mandatory ? POLICY_MANDATORY : 0) |
    (policy.log ? POLICY_LOG : 0) |
    (policy.reboot ? POLICY_REBOOT : 0) |
    (policy.downgrade ? POLICY_DOWNGRADE : 0)
  );
}

/** Labels are printed on terminals and pages: nothing in them may steer either. */
function isLabel(text: string, charsMax: number): boolean {
  return text.length >= 1 && text.length <= charsMax && !/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u.test(text);
}
