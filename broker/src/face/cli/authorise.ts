import { hex, utf8 } from '@countersign/device-sdk/format';
import { readPublicKeyFile } from '@countersign/device-sdk/host/public-key';
import type { Command } from 'commander';
import { checkLines } from '../../distribution/enrolment/lists.ts';
import { writeDurable } from '../../store/durable.ts';
import { grantAuthority, grantList } from '../client/grants.ts';
import { readListFile } from '../client/list-file.ts';
import { connectAs, personOptions, readInput } from './connect.ts';
import { expiryOf, factoryFiles, factoryOptions, type GrantOptions } from './grant-options.ts';
import { note, verb, WrongUse } from './program.ts';
import { timeText } from './table.ts';
import { readCount, readSpan } from './values.ts';

interface AuthoriseOptions extends GrantOptions {
  codes?: string;
}

/** `devices authorise`: a list of serials, each of which may enrol itself once. */
export function authoriseVerb(devices: Command): void {
  const command = personOptions(
    devices
      .command('authorise')
      .description('sign a list of serials, each beside a key: those devices enrol themselves, once each')
      .argument('<file>', 'CSV with the columns serial and key, thumbprint or code; or the same in JSON'),
  )
    .requiredOption('--product <name>', 'product name or class id')
    .option('--expires <time>', 'for so long: 12h, 30d', readSpan, 30 * 86_400)
    .option('--codes <file>', 'make a code for each serial that has nothing beside it, and write them here');
  verb(factoryOptions(command), async (file: string, options: AuthoriseOptions) => {
    const { session, signer } = await connectAs(options, ['operator']);
    const { lines, codes } = readListFile(session.verifier, new TextDecoder().decode(await readInput(file)));
    if (codes.length > 0 && options.codes === undefined) {
      throw new WrongUse(`${codes.length} serials have no key: give --codes FILE to make a code for each`);
    }
    checkLines(lines);
    const files = await factoryFiles(session, options);
    if (codes.length > 0) await writeCodes(options.codes!, codes);
    const expires = expiryOf(options);
    const { grantId, committed } = await grantList(session, signer, { product: options.product, expires }, lines);
    note(`${lines.length} serials may enrol, once each, until ${timeText(expires)}`);
    const json = { grantId: hex(grantId), devices: lines.length, expires, entry: committed.leafIndex, ...files };
    return { json: { ...json, codes: codes.length > 0 ? options.codes! : null }, text: hex(grantId) };
  });
}

interface AuthorityOptions extends GrantOptions {
  count: number;
}

/** `devices authority`: certificates of a factory's own authority. */
export function authorityVerb(devices: Command): void {
  const command = personOptions(
    devices
      .command('authority')
      .description('sign that certificates of an authority enrol devices (up --enrol-ca)')
      .argument('<certificate>', 'the authority that signs the devices’ certificates itself: P-256 or Ed25519, in PEM'),
  )
    .requiredOption('--product <name>', 'product name or class id')
    .requiredOption('--count <n>', 'for so many devices', readCount)
    .option('--expires <time>', 'for so long: 12h, 30d', readSpan, 30 * 86_400);
  verb(factoryOptions(command), async (file: string, options: AuthorityOptions) => {
    const { session, signer } = await connectAs(options, ['operator']);
    const authority = readPublicKeyFile(await readInput(file));
    const { product, count } = options;
    const files = await factoryFiles(session, options);
    const expires = expiryOf(options);
    const wish = { product, devices: count, expires };
    const { grantId, committed } = await grantAuthority(session, signer, wish, authority);
    note(`${count} devices may enrol with its certificates, until ${timeText(expires)}`);
    const json = { grantId: hex(grantId), devices: count, expires, entry: committed.leafIndex, ...files };
    return { json, text: hex(grantId) };
  });
}

/** Before the list is signed: codes that nobody has would make a list that nobody can use. */
async function writeCodes(path: string, codes: { serial: string; code: string }[]): Promise<void> {
  const rows = codes.map(({ serial, code }) => `${serial},${code}\n`);
  await writeDurable(path, utf8(`serial,code\n${rows.join('')}`), { mode: 0o600, exclusive: true });
  note(`wrote ${path}: whoever reads it can enrol these serials`);
}
