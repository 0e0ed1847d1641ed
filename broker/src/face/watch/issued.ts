/** Key generation centres, seen from outside: one that has two points for one identity on the record was not honest. */
import type { Verifier } from '@countersign/device-sdk';
import { hex, leafHash, type Value } from '@countersign/device-sdk/format';
import { identityDigest, readIssueKeyArgs } from '../../ledger/contract/issue-key-args.ts';

/** Evidence for others: both entries are signed, and prove possession of both keys. */
export interface Conviction {
  centre: string;
  first: string;
  second: string;
}

/** The first point of each identity and centre, as `centre identity`, in hex. */
export type SeenPoints = Map<string, string>;
/** Two for each epoch of each server: more of them are no installation. The oldest are forgotten. */
export const SEEN_POINTS_MAX = 1_000;

/** @throws Refusal MALFORMED, UNSUPPORTED for arguments that are not those of `issueKey` */
export function judgeIssued(
  { sha256 }: Verifier,
  args: Value,
  entry: Uint8Array,
  index: number,
  seen: SeenPoints,
): { text: string; release: string; convicted: Conviction } | undefined {
  const { key } = readIssueKeyArgs(args);
  const [centre, second] = [hex(key.centre), hex(key.point)];
  const name = `${centre} ${hex(identityDigest(sha256, key))}`;
  const first = seen.get(name);
  if (first === undefined) {
    seen.set(name, second);
    if (seen.size > SEEN_POINTS_MAX) seen.delete(seen.keys().next().value!);
  }
  if (first === undefined || first === second) return undefined;
  const who = `${key.role} ${key.name}, epoch ${key.epoch}`;
  const text = `key generation centre ${centre.slice(0, 16)} issued two points for ${who}: entry ${index} is the second`;
  return { text, release: hex(leafHash(sha256, entry)), convicted: { centre, first, second } };
}
