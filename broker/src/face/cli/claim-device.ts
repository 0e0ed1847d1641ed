/** `device run --claim`: the device is enrolled before it runs, once. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { demand } from '@countersign/device-sdk';
import { equal, hex, ID_BYTES, readProvision, type Signer, utf8 } from '@countersign/device-sdk/format';
import { claimEntry, claimKey, sendClaim } from '@countersign/device-sdk/host/claim';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { replaceFile } from '@countersign/device-sdk/host/durable';
import { readIdentity } from '@countersign/device-sdk/host/gateway';
import { httpClient } from '@countersign/device-sdk/host/http-call';
import type { Profile } from '@countersign/device-sdk/host/profile';
import { recordFile } from '@countersign/device-sdk/host/regions';
import { note } from './program.ts';

export function randomId(): Uint8Array {
  return new Uint8Array(randomBytes(ID_BYTES));
}

/**
 * Enrols the device of this folder by a code, unless a former run has. A crash between the answer and the mark repeats
 * the claim, which is answered like the first time.
 * @throws Refusal as sendClaim; WRONG_CLASS for the code of another product
 */
export async function claimOnce(profile: Profile, device: Signer, code: string, url?: string): Promise<void> {
  const mark = join(profile.folder, 'claimed');
  if (existsSync(mark)) return;
  const { deviceId, classId } = readIdentity(profile);
  const { origin } = readProvision(new Uint8Array(readFileSync(recordFile(profile)))).head;
  const verifier = nodeVerifier();
  const { signer, grantId } = claimKey(verifier, textOf(code));
  const entry = await claimEntry(verifier, signer, device, { origin, grantId, deviceId, classId });
  const enrolled = await sendClaimTo(profile, url, entry);
  demand(equal(enrolled, classId), 'WRONG_CLASS', `the server answered for class ${hex(enrolled)}`);
  replaceFile(mark, utf8(`${hex(grantId)}\n`));
  note(`enrolled as device ${hex(deviceId)}`);
}

/** Arguments can be read by every user of a machine: `@FILE` holds the code. */
function textOf(code: string): string {
  return code.startsWith('@') ? readFileSync(code.slice(1), 'utf8') : code;
}

async function sendClaimTo({ links }: Profile, url: string | undefined, entry: Uint8Array): Promise<Uint8Array> {
  const link = links.find((one) => (url === undefined ? /^https?:/.test(one.url) : one.url === url));
  const address = url ?? link?.url;
  demand(address, 'BAD_REQUEST', 'a claim goes by HTTP: give --claim-url, or an https:// link in the profile');
  const [ca, cert, key] = [link?.ca, link?.cert, link?.key].map((file) => file && readFileSync(file, 'utf8'));
  const http = httpClient(address, { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) });
  try {
    return await sendClaim(http, entry);
  } finally {
    http.close();
  }
}
