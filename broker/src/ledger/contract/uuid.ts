/** UUID version 5 (RFC 9562 section 5.5), by which SUIT names vendors and product classes. */
import { createHash } from 'node:crypto';
import { concat, utf8 } from '@countersign/device-sdk/format';

/** The namespace of domain names (RFC 9562 section 6.6): 6ba7b810-9dad-11d1-80b4-00c04fd430c8. */
const NAMESPACE_DNS = Uint8Array.from([
  0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8,
]);

/** The SUIT vendor id of a domain, 16 bytes. @example vendorId('arm.com') // fa6b4a53-d5ad-5fdf-be9d-e663e4d41ffe */
export function vendorId(domain: string): Uint8Array {
  return uuid5(NAMESPACE_DNS, domain);
}

/** The SUIT class id of a vendor's product, 16 bytes. */
export function classId(vendor: Uint8Array, product: string): Uint8Array {
  return uuid5(vendor, product);
}

/** The first 16 bytes of SHA-1(namespace, name) with version and variant set. A name, not a proof: SHA-1 is enough. */
function uuid5(namespace: Uint8Array, name: string): Uint8Array {
  const digest = createHash('sha1')
    .update(concat(namespace, utf8(name)))
    .digest();
  const id = Uint8Array.from(digest.subarray(0, 16));
  id[6] = (id[6]! & 0x0f) | 0x50;
  id[8] = (id[8]! & 0x3f) | 0x80;
  return id;
}

/** The usual text form, 8-4-4-4-12 hex digits. */
export function uuidText(id: Uint8Array): string {
  const digits = Buffer.from(id).toString('hex');
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
