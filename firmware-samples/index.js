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

function labels() {
  return samples.map((s) => `${s.product} ${s.version}`).join(', ');
}
