import { Refusal } from '@countersign/device-sdk';
import { fromHexText, type Inspection, inspectEnvelope } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { readPublicKeyFile } from '@countersign/device-sdk/host/public-key';
import type { Command } from 'commander';
import { readInput } from './connect.ts';
import { verb } from './program.ts';
import { printable, table } from './table.ts';

/** `inspect FILE [--key PUBLIC]`: any SUIT envelope, not only ours. It decides nothing. */
export function inspectVerb(program: Command): void {
  const command = program
    .command('inspect <file>')
    .description('show any SUIT envelope, binary or hex')
    .option('--key <public>', 'check signatures with this PEM or COSE_Key file');
  verb(command, async (path: string, options: { key?: string }) => {
    const verifier = nodeVerifier();
    const key = options.key === undefined ? undefined : readPublicKeyFile(await readInput(options.key));
    const envelope = fromHexText(await readInput(path));
    const found = readable(path, () =>
      inspectEnvelope(envelope, { sha256: verifier.sha256, verifier, ...(key && { key }) }),
    );
    return { json: found, text: inspectionText(found) };
  });
}

/** What is wrong inside a file means little to whoever gave the wrong file. */
function readable<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause;
    throw new Refusal(cause.code, `${path} is no SUIT envelope that can be read: ${cause.message}`, { cause });
  }
}

function inspectionText(i: Inspection): string {
  const signatures = i.signatures.map((s) => [
    String(s.alg),
    s.kid,
    s.role,
    s.valid === null ? 'not checked' : s.valid ? 'valid' : 'INVALID',
  ]);
  return [
    `sequence ${i.sequence ?? '-'}, digests ${i.digestOk ? 'match' : 'DO NOT MATCH'}`,
    `components ${i.components.map((parts) => parts.join('/')).join(', ')}`,
    ...Object.entries(i.commands).flatMap(([section, commands]) => [
      '',
      section,
      ...commands.map(
        ({ label, name, args }) => `  ${String(label).padStart(5)}  ${name}  ${printable(JSON.stringify(args))}`,
      ),
    ]),
    '',
    table(['algorithm', 'key id', 'role', 'signature'], signatures),
    i.refusal === null
      ? 'a recipient of the base specification reads it'
      : `refused: ${i.refusal} (${printable(i.refusalText ?? '')})`,
    i.profileRefusal === null
      ? 'a Countersign device reads its shape'
      : `a Countersign device refuses its shape: ${i.profileRefusal}`,
  ].join('\n');
}
