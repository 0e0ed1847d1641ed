import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findDescriptor } from '@countersign/device-sdk/rig';
import { readSample, readSampleAs, samples, vendorDomain } from '@countersign/firmware-samples';
import test from 'ava';
import {
  magicOffsets,
  parseDescriptor,
  reasonNotToRebuild,
  runBuild,
  sampleFile,
} from '../support/firmware-samples.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

test('every committed image has the size and digest that the manifest records', (t) => {
  const files = readdirSync(new URL('../../../firmware-samples/images/', import.meta.url)).sort();
  t.deepEqual(files, ['manifest.json', ...samples.map((s) => s.file)].sort());
  for (const sample of samples) {
    const image = readSample(sample.product, sample.version);
    t.is(image.length, sample.bytes, sample.file);
    t.is(sha256(image), sample.sha256, sample.file);
  }
});

test('every image holds one descriptor that names its product, version and failing revisions', (t) => {
  for (const sample of samples) {
    const image = sampleFile(`images/${sample.file}`);
    const offsets = magicOffsets(image);
    t.is(offsets.length, 1, `${sample.file}: magic at ${offsets}`);
    const { product, version, failsOn } = sample;
    t.deepEqual(parseDescriptor(image, offsets[0]!), { product, version, failsOn: [...failsOn] });
  }
});

test('every Cortex-M image begins with a stack in RAM and a reset handler inside itself', (t) => {
  for (const sample of samples.filter(({ cpu }) => cpu.startsWith('cortex-m'))) {
    const image = sampleFile(`images/${sample.file}`);
    const [stackTop, reset] = [image.readUInt32LE(0), image.readUInt32LE(4)];
    t.true(stackTop > 0x20000000 && stackTop <= 0x20000000 + 64 * 1024, `${sample.file}: stack ${stackTop}`);
    t.is(reset & 1, 1, `${sample.file}: a Thumb address is odd`);
    t.true(reset > sample.imageBase && reset < sample.imageBase + sample.bytes, `${sample.file}: reset ${reset}`);
  }
});

test('every RISC-V image begins with code that sets the global pointer and jumps over the descriptor', (t) => {
  const images = samples.filter(({ cpu }) => cpu.startsWith('rv'));
  t.is(images.length, 3);
  for (const { file } of images) {
    const image = sampleFile(`images/${file}`);
    const [auipc, jal] = [image.readUInt32LE(0), image.readUInt32LE(0x20)];
    t.is(auipc & 0xfff, 0x197, `${file}: auipc gp`);
    t.is(jal & 0xfff, 0x06f, `${file}: jal zero`);
    t.is(magicOffsets(image)[0], 64);
  }
});

test('the samples tell the story that the demo needs', (t) => {
  t.is(vendorDomain, 'countersign.example');
  const story = samples.map((s) => `${s.product} ${s.version} ${s.failsOn.join()}`.trim());
  t.deepEqual(story, [
    'sensor-node 1.0.0',
    'sensor-node 1.0.1',
    'sensor-node 1.1.0',
    'sensor-node 1.2.0 C',
    'sensor-node 1.3.0',
    'sensor-node 1.4.0',
    'valve-controller 2.0.0',
    'valve-controller 2.0.1',
    'pump-monitor 3.0.0',
    'pump-monitor 3.0.1',
    'pump-monitor 3.1.0',
  ]);
  t.true(samples.every((s) => s.bytes >= (s.product === 'sensor-node' ? 40 : 20) * 1024));
});

test('a sample under the name of another product differs in that name alone', (t) => {
  const own = readSample('sensor-node', '1.0.0');
  const other = readSampleAs('sensor-node', '1.0.0', 'steam-valve');
  t.like(findDescriptor(other), { product: 'steam-valve', version: '1.0.0' });
  t.is(
    Buffer.from(other).toString('latin1').replace('steam-valve', 'sensor-node'),
    Buffer.from(own).toString('latin1'),
  );
  t.throws(() => readSampleAs('sensor-node', '1.0.0', 'gateway'), { instanceOf: RangeError });
});

test('asking for a sample that does not exist says which there are', (t) => {
  t.throws(() => readSample('sensor-node', '9.9.9'), {
    instanceOf: RangeError,
    message: /there are sensor-node 1\.0\.0/,
  });
});

test('the README lists every image with its size and digest', (t) => {
  const readme = sampleFile('README.md').toString();
  for (const s of samples)
    t.true(readme.includes(`| \`${s.file}\` | ${s.bytes} | \`${s.sha256.slice(0, 16)}\``), `${s.file} in README.md`);
});

/** A small one; the long suite builds every image again, with both toolchains. */
const REBUILT = 'pump-monitor-3.1.0';

test(`${REBUILT} built again with the recorded toolchain is the committed one, byte for byte`, (t) => {
  const reason = reasonNotToRebuild('riscv');
  if (reason !== undefined) {
    t.log(`rebuild left out: ${reason}`);
    t.pass();
    return;
  }
  const out = mkdtempSync(join(tmpdir(), 'rebuild-'));
  try {
    const built = runBuild('--out', out, '--only', REBUILT);
    t.true('output' in built, JSON.stringify(built));
    t.deepEqual(readdirSync(out), [`${REBUILT}.bin`]);
    t.true(readFileSync(join(out, `${REBUILT}.bin`)).equals(sampleFile(`images/${REBUILT}.bin`)));
  } finally {
    rmSync(out, { recursive: true });
  }
});
