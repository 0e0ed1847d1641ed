import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { samples } from '@countersign/firmware-samples';
import test from 'ava';
import { reasonNotToRebuild, runBuild, sampleFile, toolchainOf } from '../support/firmware-samples.ts';

test('every image built again with the recorded toolchain is the committed one', (t) => {
  const out = mkdtempSync(join(tmpdir(), 'rebuild-'));
  try {
    for (const { product, version, file, cpu } of samples) {
      const reason = reasonNotToRebuild(toolchainOf(cpu));
      if (reason !== undefined) {
        t.log(`${file} left out: ${reason}`);
        continue;
      }
      const built = runBuild('--out', out, '--only', `${product}-${version}`);
      t.true('output' in built, JSON.stringify(built));
      t.true(readFileSync(join(out, file)).equals(sampleFile(`images/${file}`)), file);
    }
    t.pass();
  } finally {
    rmSync(out, { recursive: true });
  }
});

test('the manifest built again with the recorded toolchains is the committed one', (t) => {
  const reasons = (['arm', 'riscv'] as const).flatMap((name) => reasonNotToRebuild(name) ?? []);
  if (reasons.length > 0) {
    t.log(`left out: ${reasons.join('; ')}`);
    t.pass();
    return;
  }
  const out = mkdtempSync(join(tmpdir(), 'rebuild-'));
  try {
    t.true('output' in runBuild('--out', out));
    t.true(readFileSync(join(out, 'manifest.json')).equals(sampleFile('images/manifest.json')));
  } finally {
    rmSync(out, { recursive: true });
  }
});
