/** The 13 example envelopes of draft-ietf-suit-manifest-37, appendix B, read by `inspect` and refused by a device. */
import { encode, fromHexText, inspectEnvelope, readEnvelope, readManifest } from '@countersign/device-sdk/format';
import { readPublicKeyFile } from '@countersign/device-sdk/host/public-key';
import test from 'ava';
import { outside, outsideJson, SKIPPED } from '../support/outside.ts';
import { codeOfRefusal } from '../support/refused.ts';
import { sha256, verifier } from '../support/world.ts';

interface Row {
  file: string;
  signed: boolean;
  manifestKeys: number[];
  sequenceNumber: number;
  suitDigestSha256: string;
}

/** Sections by manifest key, as `inspect` names them. */
const SECTIONS = new Map([
  [7, 'validate'],
  [8, 'load'],
  [9, 'invoke'],
  [16, 'payload-fetch'],
  [20, 'install'],
]);

test('every example has its digest, sequence, sections and a valid signature of the example key', (t) => {
  const index = outsideJson<{ files: Row[] }>('suit-manifest-37/index.json');
  if (!index) return void t.pass(SKIPPED);
  const key = readPublicKeyFile(outside('suit-manifest-37/key.public.pem')!);
  t.is(index.files.length, 13);
  for (const row of index.files) {
    const seen = inspectEnvelope(read(row.file), { sha256, verifier, key });
    const severed = row.file.includes('severed') ? ['install', 'text'] : [];
    const sections = row.manifestKeys.flatMap((k) => SECTIONS.get(k) ?? []).filter((name) => !severed.includes(name));
    t.deepEqual([seen.refusal, seen.refusalText], [null, null], row.file);
    t.true(seen.digestOk, row.file);
    t.deepEqual(seen.digest, { alg: -16, digest: row.suitDigestSha256 }, row.file);
    t.is(seen.sequence, row.sequenceNumber, row.file);
    t.deepEqual(Object.keys(seen.commands).sort(), ['shared-sequence', ...sections].sort(), row.file);
    t.deepEqual(seen.severed, severed, row.file);
    const signature = { tag: 18, alg: -7, kid: null, role: null, valid: true };
    t.deepEqual(seen.signatures, row.signed ? [signature] : [], row.file);
  }
});

test('commands carry the names of the draft, and nested sequences are expanded', (t) => {
  const bytes = outside('suit-manifest-37/example3.signed.hex');
  if (!bytes) return void t.pass(SKIPPED);
  const { commands, components } = inspectEnvelope(fromHexText(bytes), { sha256 });
  t.deepEqual(components, [['00']]);
  t.deepEqual(
    commands.install!.map((c) => [c.label, c.name]),
    [
      [15, 'directive-try-each'],
      [21, 'directive-fetch'],
      [3, 'condition-image-match'],
    ],
  );
  const [first, second] = commands.install![0]!.args as { label: number; name: string; args: unknown }[][];
  t.deepEqual(first, [
    { label: 20, name: 'directive-override-parameters', args: { 'component-slot': 0 } },
    { label: 5, name: 'condition-component-slot', args: 5 },
    { label: 20, name: 'directive-override-parameters', args: { uri: 'http://example.com/file1.bin' } },
  ]);
  t.is(second!.length, 3);
});

test('a severed text that is present is read, component by component', (t) => {
  const bytes = outside('suit-manifest-37/example2.signed.hex');
  if (!bytes) return void t.pass(SKIPPED);
  const seen = inspectEnvelope(fromHexText(bytes), { sha256 });
  const english = (seen.text as Record<string, Record<string, unknown>>)['en-US']!;
  t.true(String(english['manifest-description']).startsWith('## Example 2'));
  t.deepEqual(english["[h'00']"], {
    'vendor-domain': 'arm.com',
    'component-description': 'This component is a demonstration. The digest is a sample pattern, not a real one.',
  });
});

test('a severed member with one other bit is named, and the digest is no longer called good', (t) => {
  const bytes = outside('suit-manifest-37/example2.signed.hex');
  if (!bytes) return void t.pass(SKIPPED);
  const envelope = fromHexText(bytes).slice();
  envelope[envelope.length - 3]! ^= 1; // inside the text, the last member
  const seen = inspectEnvelope(envelope, { sha256 });
  t.deepEqual([seen.digestOk, seen.refusal], [false, 'MALFORMED']);
});

test('one other bit in any byte of a signed example is never reported as good', (t) => {
  const bytes = outside('suit-manifest-37/example0.signed.hex');
  if (!bytes) return void t.pass(SKIPPED);
  const key = readPublicKeyFile(outside('suit-manifest-37/key.public.pem')!);
  const envelope = fromHexText(bytes);
  for (let at = 0; at < envelope.length; at++) {
    const changed = envelope.slice();
    changed[at]! ^= 1;
    let good = false;
    const code = codeOfRefusal(() => {
      const seen = inspectEnvelope(changed, { sha256, verifier, key });
      good =
        seen.digestOk && seen.refusal === null && seen.signatures.length === 1 && seen.signatures[0]!.valid === true;
    });
    t.false(code === 'accepted' && good, `byte ${at}`);
  }
});

/**
 * A device reads only the profile. Every example stops at the same step, the SUIT_Authentication: it has one block or
 * none, the profile demands the digest and exactly two. Their manifests would not be read either: see the next test.
 */
test('the strict device profile refuses every example as MALFORMED', (t) => {
  const index = outsideJson<{ files: Row[] }>('suit-manifest-37/index.json');
  if (!index) return void t.pass(SKIPPED);
  for (const row of index.files) {
    const error = t.throws(() => readEnvelope(sha256, read(row.file)));
    const expected =
      row.file === 'example2.signed.hex' ? /envelope has keys/ : /authentication has [12] elements, expected 3/;
    t.regex(error!.message, expected, row.file);
    t.is(inspectEnvelope(read(row.file), { sha256 }).profileRefusal, 'MALFORMED', row.file);
  }
});

/** Why the strict manifest reader refuses them: no release parameter (-258), or no install sequence of one try-each. */
const REASONS: Record<string, RegExp> = {
  'example0.signed.hex': /install sequence is not a byte string/,
  'example1.signed.hex': /shared parameters is not a map|release parameter is not a byte string/,
  'example2.signed.hex': /install sequence is not a byte string/,
  'example3.signed.hex': /shared parameters is not a map|release parameter is not a byte string/,
  'example4.signed.hex': /shared parameters is not a map|release parameter is not a byte string/,
  'example5.signed.hex': /release parameter is not a byte string/,
};

test('the strict manifest reader refuses the manifest of every example as MALFORMED', (t) => {
  if (!outside('suit-manifest-37/index.json')) return void t.pass(SKIPPED);
  for (const [file, reason] of Object.entries(REASONS)) {
    const manifest = manifestOf(read(file));
    const error = t.throws(() => readManifest(manifest));
    t.regex(error!.message, reason, file);
    t.is(
      codeOfRefusal(() => readManifest(manifest)),
      'MALFORMED',
      file,
    );
  }
});

function read(file: string): Uint8Array {
  return fromHexText(outside(`suit-manifest-37/${file}`)!);
}

/** Cuts the manifest out of an envelope: the byte string of at least 64 bytes whose content begins with {1: 1, 2: …}. */
function manifestOf(envelope: Uint8Array): Uint8Array {
  for (let at = 0; at < envelope.length - 6; at++) {
    const [head, length, map, one, version, two] = envelope.subarray(at);
    if (head === 0x58 && (map! & 0xe0) === 0xa0 && one === 1 && version === 1 && two === 2) {
      return envelope.slice(at + 2, at + 2 + length!);
    }
    const long = envelope.subarray(at + 3, at + 6);
    if (head === 0x59 && (long[0]! & 0xe0) === 0xa0 && long[1] === 1 && long[2] === 1) {
      return envelope.slice(at + 3, at + 3 + length! * 256 + map!);
    }
  }
  throw new Error(`no manifest in ${encode(envelope).length} bytes`);
}
