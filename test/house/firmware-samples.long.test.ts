import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { samples } from '@countersign/firmware-samples';
import test from 'ava';
import { reasonNotToRebuild, runBuild, sampleFile } from '../support/firmware-samples.ts';

test('every image and the manifest, built again with the recorded toolchain, are the committed ones', (t) => {
  const reason = reasonNotToRebuild();
  if (reason !== undefined) {
    t.log(`rebuild left out: ${reason}`);
    t.pass();
    return;
  }
  const out = mkdtempSync(join(tmpdir(), 'rebuild-'));
  try {
    const built = runBuild('--out', out);
    t.true('output' in built, JSON.stringify(built));
    t.is(readdirSync(out).length, samples.length + 1);
    for (const file of readdirSync(out))
      t.true(readFileSync(join(out, file)).equals(sampleFile(`images/${file}`)), file);
  } finally {
    rmSync(out, { recursive: true });
  }
});
