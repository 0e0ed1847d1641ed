/** `device run --claim` and `--serial`: the device is enrolled before it runs, once. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { demand } from '@countersign/device-sdk';
import {
  type Claim,
  equal,
  hex,
  ID_BYTES,
  publicKeyOf,
  readProvision,
  type Signer,
  thumbprint,
  utf8,
} from '@countersign/device-sdk/format';
import { askAuthority, certificateKey, certifiedEntry } from '@countersign/device-sdk/host/certified';
import { type ClaimKey, claimEntry, claimKey, sendClaim } from '@countersign/device-sdk/host/claim';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { replaceFile } from '@countersign/device-sdk/host/durable';
import { readIdentity } from '@countersign/device-sdk/host/gateway';
import { type HttpClient, httpClient } from '@countersign/device-sdk/host/http-call';
import { askListing, listedEntry } from '@countersign/device-sdk/host/listing';
import type { TlsOptions } from '@countersign/device-sdk/host/mqtt';
import type { Profile } from '@countersign/device-sdk/host/profile';
import { recordFile } from '@countersign/device-sdk/host/regions';
import { note } from './program.ts';

export function randomId(): Uint8Array {
  return new Uint8Array(randomBytes(ID_BYTES));
}

export interface ClaimBy {
  /** A code, or `@FILE` that holds it. */
  code?: string | undefined;
  /** This device's line on a list; beside it stands the key of the code, or without one the device's own. */
  serial?: string | undefined;
  /** With the certificate of the link; its key signs the claim. */
  certificate?: boolean | undefined;
  /** The server's address for devices. */
  url?: string | undefined;
}

/**
 * Enrols the device of this folder by a code or its serial, unless a former run has. A crash between the answer and the
 * mark repeats the claim, which is answered like the first time.
 * @throws Refusal as sendClaim; WRONG_CLASS for the code of another product
 */
export async function claimOnce(profile: Profile, device: Signer, by: ClaimBy): Promise<void> {
  const { code, serial, certificate, url } = by;
  const mark = join(profile.folder, 'claimed');
  if (existsSync(mark)) return;
  const { deviceId, classId } = readIdentity(profile);
  const { origin } = readProvision(new Uint8Array(readFileSync(recordFile(profile)))).head;
  const verifier = nodeVerifier();
  const key = code === undefined ? undefined : claimKey(verifier, textOf(code));
  const own = { origin, deviceId, classId };
  const { grantId, enrolled } = await withServer(profile, url, async (http, tls) => {
    if (certificate) return byCertificate(http, tls, own);
    if (serial === undefined) return byCode(http, key!, own);
    return bySerial(http, key?.signer ?? device, own, serial);
  });
  demand(equal(enrolled, classId), 'WRONG_CLASS', `the server answered for class ${hex(enrolled)}`);
  replaceFile(mark, utf8(`${hex(grantId)}\n`));
  note(`enrolled as device ${hex(deviceId)}`);

  async function byCode(http: HttpClient, { signer, grantId }: ClaimKey, own: Omit<Claim, 'grantId'>) {
    const entry = await claimEntry(verifier, signer, device, { ...own, grantId });
    return { grantId, enrolled: await sendClaim(http, entry) };
  }

  async function byCertificate(http: HttpClient, { cert, key }: TlsOptions, own: Omit<Claim, 'grantId'>) {
    demand(cert && key, 'BAD_REQUEST', 'a claim by certificate needs cert and key in the https:// link of the profile');
    const { grantId, authority } = await askAuthority(http, own.classId);
    const entry = await certifiedEntry(
      verifier,
      certificateKey(String(cert), String(key)),
      device,
      { ...own, grantId },
      authority,
    );
    return { grantId, enrolled: await sendClaim(http, entry) };
  }

  async function bySerial(http: HttpClient, listed: Signer, own: Omit<Claim, 'grantId'>, serial: string) {
    const print = thumbprint(verifier.sha256, publicKeyOf(listed));
    const listing = await askListing(http, { serial, print });
    const { grantId } = listing;
    const entry = await listedEntry(verifier, listed, device, { ...own, grantId }, { serial, listing });
    return { grantId, enrolled: await sendClaim(http, entry) };
  }
}

/** Arguments can be read by every user of a machine: `@FILE` holds the code. */
function textOf(code: string): string {
  return code.startsWith('@') ? readFileSync(code.slice(1), 'utf8') : code;
}

async function withServer<T>(
  { links }: Profile,
  url: string | undefined,
  claim: (http: HttpClient, tls: TlsOptions) => Promise<T>,
): Promise<T> {
  const link = links.find((one) => (url === undefined ? /^https?:/.test(one.url) : one.url === url));
  const address = url ?? link?.url;
  demand(address, 'BAD_REQUEST', 'a claim goes by HTTP: give --claim-url, or an https:// link in the profile');
  const [ca, cert, key] = [link?.ca, link?.cert, link?.key].map((file) => file && readFileSync(file, 'utf8'));
  const tls = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
  const http = httpClient(address, tls);
  try {
    return await claim(http, tls);
  } finally {
    http.close();
  }
}
