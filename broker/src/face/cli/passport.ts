import { writeFile } from 'node:fs/promises';
import { demand } from '@countersign/device-sdk';
import { APPLICATION, HASH_BYTES, hex, unhex } from '@countersign/device-sdk/format';
import { type Command, InvalidArgumentError } from 'commander';
import type { ReleaseView } from '../../ledger/contract/views.ts';
import type { Component, Passport } from '../../passport/passport.ts';
import { checkPassport, getPassport, putPassport, type ShownPassport, subjectOf } from '../client/passports.ts';
import { getRelease } from '../client/releases.ts';
import type { Session } from '../client/session.ts';
import {
  connect,
  connectAs,
  type PersonOptions,
  personOptions,
  readInput,
  type ServerOptions,
  serverOptions,
} from './connect.ts';
import { verb } from './program.ts';
import { table, timeText } from './table.ts';

interface PutOptions extends PersonOptions {
  release: string;
  hardware: string;
  bootloader?: string;
  sdk?: string;
  component?: Component[];
}

/** `passport put`, `passport show`, `passport verify`. */
export function passportVerbs(program: Command): void {
  const passport = program.command('passport').description('what devices are made of, signed and kept apart from them');
  putVerb(passport);
  showVerb(passport);
  verifyVerb(passport);
}

function putVerb(passport: Command): void {
  const command = personOptions(
    passport
      .command('put')
      .description('sign the passport of a device or of all of a product')
      .argument('<subject>', 'device id, product name or class id'),
  )
    .requiredOption('--release <release>', 'whose components it has: PRODUCT@VERSION or a leaf hash')
    .requiredOption('--hardware <revision>', 'hardware revision')
    .option('--bootloader <version>', 'version of the boot loader')
    .option('--sdk <version>', 'version of the update client')
    .option('--component <name=version:sha256:bytes>', 'another component; repeat for more', collectComponents);
  verb(command, async (name: string, options: PutOptions) => {
    const { session, signer } = await connectAs(options, ['operator']);
    const subject = await subjectOf(session, name);
    const release = await getRelease(session, options.release);
    const { hardware, bootloader = null, sdk = null, component = [] } = options;
    const components = [...componentsOf(release), ...component];
    const done = await putPassport(session, signer, subject, { hardware, bootloader, sdk, components });
    const text = `passport ${done.serial} of ${subject.kind} ${hex(subject.id)}, entry ${done.leafIndex}`;
    return { json: { subject: subject.kind, id: hex(subject.id), ...done }, text };
  });
}

/** What the release brings, all under its version. */
function componentsOf({ version, imageDigest, imageBytes, components = [] }: ReleaseView): Component[] {
  return [{ id: APPLICATION, imageDigest, imageBytes }, ...components].map((part) => {
    const digest = unhex(part.imageDigest);
    demand(digest, 'MALFORMED', "the server's answer is no release");
    return { name: part.id, version, digest, bytes: part.imageBytes };
  });
}

function showVerb(passport: Command): void {
  const command = serverOptions(
    passport
      .command('show')
      .description('the passport in force, and which releases apply')
      .argument('<subject>', 'device id, product name or class id'),
  ).option('--out <file>', 'write the signed document');
  verb(command, async (name: string, options: ServerOptions & { out?: string }) => {
    const session = await connect(options);
    const shown = await getPassport(session, await subjectOf(session, name));
    if (options.out !== undefined) await writeFile(options.out, await documentOf(session, shown));
    const ok = shown.agreement.state !== 'differs';
    return { json: jsonOf(shown), text: textOf(shown), ok };
  });
}

function verifyVerb(passport: Command): void {
  const command = serverOptions(
    passport
      .command('verify')
      .description('whether a document is the one in force')
      .argument('<subject>', 'device id, product name or class id'),
  ).requiredOption('--file <document>', 'the signed document, from wherever it was kept');
  verb(command, async (name: string, options: ServerOptions & { file: string }) => {
    const session = await connect(options);
    const { view } = await getPassport(session, await subjectOf(session, name));
    const passport = await checkPassport(session, view, await readInput(options.file));
    const text = `passport ${view.serial} of ${view.subject} ${view.id}, signed by ${view.by}, is in force`;
    return { json: { ...view, passport: contentOf(passport), valid: true }, text };
  });
}

function documentOf({ api }: Session, { view }: ShownPassport): Promise<Uint8Array> {
  return api.bytes(`/api/v1/blobs/${view.digest}`);
}

/** `radio=2.1.0:<64 hex digits>:48211` */
function collectComponents(text: string, before: Component[] = []): Component[] {
  const [, name, version, digits, bytes] =
    /^([\w.-]{1,32})=([\w.+-]{1,32}):([0-9a-f]{64}):(\d{1,10})$/.exec(text) ?? [];
  const digest = unhex(digits ?? '');
  if (name === undefined || digest?.length !== HASH_BYTES || Number(bytes) > 0xffffffff) {
    throw new InvalidArgumentError('a component is written name=version:sha256:bytes.');
  }
  return [...before, { name, version: version!, digest, bytes: Number(bytes) }];
}

function contentOf({ components, subject, ...rest }: Passport) {
  return {
    ...rest,
    subject: subject.kind,
    id: hex(subject.id),
    components: components.map((component) => ({ ...component, digest: hex(component.digest) })),
  };
}

function jsonOf({ view, passport, agreement, releases }: ShownPassport) {
  return { ...view, passport: contentOf(passport), agreement, releases };
}

function textOf({ view, passport, agreement, releases }: ShownPassport): string {
  const { hardware, bootloader, sdk, components, issuedAt } = passport;
  const parts = components.map(({ name, version, digest, bytes }) => [name, version, bytes, hex(digest)]);
  const rows = releases.map(({ version, sequence, applies, code, reason }) => [
    version,
    sequence,
    applies ? 'yes' : code,
    reason,
  ]);
  const versions = `hardware ${hardware}, boot loader ${bootloader ?? '-'}, update client ${sdk ?? '-'}`;
  return [
    `passport ${view.serial} of ${view.subject} ${view.id}, signed by ${view.by} at ${timeText(issuedAt)}`,
    versions,
    '',
    table(['component', 'version', 'bytes', 'sha-256'], parts),
    '',
    `${agreement.state}: ${agreement.text}`,
    '',
    table(['release', 'sequence', 'applies', 'why'], rows),
  ].join('\n');
}
