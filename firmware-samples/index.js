import { readFileSync } from 'node:fs';

const images = new URL('./images/', import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('manifest.json', images), 'utf8'));

export const vendorDomain = manifest.vendorDomain;
export const samples = manifest.samples;

export function readSample(product, version) {
  const sample = samples.find((s) => s.product === product && s.version === version);
  if (!sample) throw new RangeError(`no sample ${product} ${version}; there are ${labels()}`);
  return new Uint8Array(readFileSync(new URL(sample.file, images)));
}

export function readSampleAs(product, version, name) {
  const image = readSample(product, version);
  if (name === product) return image;
  if (name.length !== product.length) throw new RangeError(`${name} is not as long as ${product}`);
  // Magic, uint16 length, uint8 length of the product's name, then the name.
  const at = Buffer.from(image.buffer).indexOf(`CSGN-DESCRIPTOR1`) + 19;
  image.set(new TextEncoder().encode(name), at);
  return image;
}

function labels() {
  return samples.map((s) => `${s.product} ${s.version}`).join(', ');
}
