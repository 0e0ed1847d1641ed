/** The manifest of any envelope: components, commands by section, severed members, texts. */
import { demand, Refusal } from '../errors.ts';
import { hex } from './bytes.ts';
import { type CborMap, decode, type Value } from './cbor.ts';
import {
  attempt,
  bounded,
  digestHolds,
  type Inspection,
  type Outer,
  type Refuse,
  readDigest,
} from './inspect-report.ts';
import type { Sha256 } from './merkle.ts';
import { asArray, asBytes, asMap, asText, asUint, shown, toPlain } from './shape.ts';
import { expandSequence, LENIENT } from './suit-commands.ts';
import { MANIFEST_KEYS, SECTIONS, SEVERABLE, SHARED_SECTION, textName } from './suit-labels.ts';

const URI_CHARS_MAX = 2048;

export function inspectManifest(report: Inspection, outer: Outer, sha256: Sha256, refuse: Refuse): void {
  const map = asMap(decode(outer.manifest, LENIENT), 'manifest');
  demand(map.get(1) === 1, 'UNSUPPORTED', `manifest version ${shown(map.get(1))} is not 1`);
  for (const key of map.keys()) {
    const known = typeof key === 'number' && MANIFEST_KEYS.has(key);
    if (!known) refuse(new Refusal('UNSUPPORTED', `manifest member ${shown(key)} is unknown`));
  }
  report.sequence = asUint(map.get(2), 'sequence');
  if (map.has(4)) report.referenceUri = asText(map.get(4), 'reference URI', URI_CHARS_MAX);
  attempt(refuse, () => inspectCommon(report, map, refuse));
  const members = resolveMembers(report, map, outer, sha256, refuse);
  for (const [key, bytes] of members) {
    const section = SECTIONS.get(key);
    if (section) attempt(refuse, () => inspectSection(report, section, bytes, refuse));
    else if (key === 23) attempt(refuse, () => void (report.text = plainText(bytes)));
  }
}

function inspectCommon(report: Inspection, manifest: CborMap, refuse: Refuse): void {
  const common = asMap(decode(asBytes(manifest.get(3), 'common'), LENIENT), 'common');
  for (const key of common.keys()) {
    const known = key === 1 || key === 2 || key === 4;
    if (!known) refuse(new Refusal('UNSUPPORTED', `common member ${shown(key)} is unknown`));
  }
  report.components = asArray(common.get(2), 'components').map((component) =>
    asArray(component, 'component').map((item) => hex(asBytes(item, 'component'))),
  );
  demand(report.components.length > 0, 'MALFORMED', 'a manifest without components');
  if (common.has(4)) inspectSection(report, SHARED_SECTION, asBytes(common.get(4), SHARED_SECTION), refuse);
}

function inspectSection(report: Inspection, section: string, bytes: Uint8Array, refuse: Refuse): void {
  const context = { components: report.components.length, shared: section === SHARED_SECTION, refuse };
  report.commands[section] = expandSequence(bytes, context);
}

/** Members in place, and severed ones that the envelope carries with the digest that the manifest names. */
function resolveMembers(
  report: Inspection,
  manifest: CborMap,
  outer: Outer,
  sha256: Sha256,
  refuse: Refuse,
): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  for (const [key, value] of manifest) {
    if (typeof key !== 'number' || !(SECTIONS.has(key) || key === 14 || key === 23)) continue;
    attempt(refuse, () => {
      const bytes = Array.isArray(value) ? severedMember(report, key, value, outer, sha256, refuse) : value;
      if (bytes !== undefined) found.set(key, asBytes(bytes, `manifest member ${key}`));
    });
  }
  for (const key of outer.members.keys()) {
    const severed = Array.isArray(manifest.get(key));
    if (!severed) refuse(new Refusal('MALFORMED', `envelope member ${key} is not one that the manifest severs`));
  }
  return found;
}

function severedMember(
  report: Inspection,
  key: number,
  digest: Value,
  outer: Outer,
  sha256: Sha256,
  refuse: Refuse,
): Uint8Array | undefined {
  const name = SECTIONS.get(key) ?? (key === 23 ? 'text' : 'coswid');
  demand(SEVERABLE.has(key), 'MALFORMED', `${name} may not be severed`);
  const expected = readDigest(digest, `digest of ${name}`);
  if (!outer.members.has(key)) {
    report.severed.push(name);
    return undefined;
  }
  const bytes = bounded(asBytes(outer.members.get(key), name), name);
  if (digestHolds(sha256, expected, bytes, refuse)) return bytes;
  report.digestOk = false;
  throw new Refusal('MALFORMED', `${name} does not have the digest that is signed`);
}

function plainText(bytes: Uint8Array): unknown {
  const languages = asMap(decode(bytes, LENIENT), 'text');
  return Object.fromEntries(
    [...languages].map(([language, texts]) => [String(language), namedTexts(asMap(texts, 'text'), false)]),
  );
}

function namedTexts(texts: CborMap, ofComponent: boolean): Record<string, unknown> {
  return Object.fromEntries(
    [...texts].map(([label, value]) => [
      textName(label, ofComponent),
      value instanceof Map ? namedTexts(value, true) : toPlain(value),
    ]),
  );
}
