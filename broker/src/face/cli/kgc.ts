/** `keys kgc|allow|request|issue|issued`: keys of the two signing servers, made with a key generation centre. */
import { dirname } from 'node:path';
import {
  ALG_ESP256,
  hex,
  IMPLICIT_ROLES,
  type ImplicitRole,
  implicitThumbprint,
  unhex,
} from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { findPassphrase } from '@countersign/device-sdk/host/passphrase';
import { type Command, Option } from 'commander';
import { listIdentity } from '../../keys/kgc/list.ts';
import { readIssued, requestKey } from '../../keys/kgc/request.ts';
import type { IssuedKeyView } from '../../ledger/contract/views.ts';
import { makeFolder, writeDurable } from '../../store/durable.ts';
import { askForShare } from '../client/centre.ts';
import { keysFolder } from '../up/folders.ts';
import { issue } from '../up/issued.ts';
import { demandApart, identitiesFolder, startKgc } from '../up/kgc.ts';
import {
  connect,
  connectAs,
  type PersonOptions,
  personOptions,
  readInput,
  type ServerOptions,
  serverOptions,
} from './connect.ts';
import { closeInTime, logTo, stopSignal, type TlsFiles, tlsOf } from './process.ts';
import { note, verb, WrongUse } from './program.ts';
import { short, table } from './table.ts';
import { readPort, readWhole } from './values.ts';

export function kgcVerbs(keys: Command): void {
  runVerb(keys);
  allowVerb(keys);
  requestVerb(keys);
  issueVerb(keys);
  issuedVerb(keys);
}

interface IdentityOptions {
  role: ImplicitRole;
  name: string;
  epoch: number;
}

function identityOptions(command: Command): Command {
  return command
    .addOption(new Option('--role <role>', 'whose key').choices(IMPLICIT_ROLES).makeOptionMandatory())
    .requiredOption('--name <name>', 'name of the server, as the list of the centre has it')
    .requiredOption('--epoch <n>', 'which key of that name, from 1', readWhole);
}

interface RunOptions extends TlsFiles {
  data?: string;
  host?: string;
  port?: number;
  plain?: boolean;
  passphraseFile?: string;
  logLevel: string;
  json?: boolean;
}

function runVerb(keys: Command): void {
  const command = keys
    .command('kgc')
    .description('run a key generation centre, in a folder and a process of its own, until it is stopped')
    .option('--data <dir>', "the centre's folder: key, list, what was issued")
    .option('--host <address>', 'listen on this address [127.0.0.1]')
    .option('--port <n>', 'port of the API [any free one]', readPort)
    .option('--tls-cert <file>', 'certificate in PEM')
    .option('--tls-key <file>', 'its key in PEM')
    .option('--plain', 'listen beyond this machine without TLS, because something in front does it')
    .option('--passphrase-file <file>', "passphrase of the centre's key file [COUNTERSIGN_PASSPHRASE_FILE]")
    .option('--log-level <level>', 'what is logged to stderr: error, warn, info', 'info');
  verb(command, async (options: RunOptions) => {
    const data = ownFolder(options);
    const stopped = stopSignal();
    const running = await startKgc({
      ...{ data, host: options.host, port: options.port, allowPlain: options.plain },
      tls: await tlsOf(options),
      passphrase: await findPassphrase({ file: options.passphraseFile }),
      log: logTo(options.logLevel),
    });
    const { url, centre } = running;
    const publicKey = hex(centre.publicKey.bytes);
    const json = { ready: true, url, data, pid: process.pid, publicKey };
    process.stdout.write(
      options.json ? `${JSON.stringify(json)}\n` : `key generation centre\n  API  ${url}\n  key  ${publicKey}\n`,
    );
    note(`stopping on ${await stopped}`);
    await closeInTime(() => running.close());
    return undefined;
  });
}

/** COUNTERSIGN_DATA is the folder of other servers: a centre never lies there by accident. */
function ownFolder({ data }: { data?: string }): string {
  if (!data) throw new WrongUse("say which folder is the centre's own: --data DIR");
  return data;
}

function allowVerb(keys: Command): void {
  const command = identityOptions(
    keys
      .command('allow')
      .description("put an identity on a centre's list, and write the token with which it may ask, once"),
  )
    .option('--data <dir>', "the centre's folder")
    .requiredOption('-o, --out <file>', 'file for the token, for the server that asks');
  verb(command, async (options: IdentityOptions & { data?: string; out: string }) => {
    const data = ownFolder(options);
    demandApart(data);
    const { role, name, epoch, out } = options;
    const token = await listIdentity(identitiesFolder(data), { role, name, epoch });
    await makeFolder(dirname(out));
    await writeDurable(out, new TextEncoder().encode(`${token}\n`), { mode: 0o600, exclusive: true });
    return {
      json: { role, name, epoch, tokenFile: out },
      text: `${role} ${name}, epoch ${epoch} is on the list\n${out}`,
    };
  });
}

interface RequestOptions extends IdentityOptions {
  kgc: string;
  centre: string;
  tokenFile: string;
  data?: string;
  next?: boolean;
  passphraseFile?: string;
}

function requestVerb(keys: Command): void {
  const command = identityOptions(
    keys.command('request').description('get the key of a signing server from a centre, which never learns it'),
  )
    .requiredOption('--kgc <url>', 'address of the centre')
    .requiredOption(
      '--centre <key>',
      "the centre's public key, 130 hex digits, from whoever runs it and not from the net",
    )
    .requiredOption('--token-file <file>', 'the token of this identity')
    .option('--next', 'beside the key that is there, for a trust root to come (`keys rotate --issued`)')
    .option('--data <dir>', 'the folder of the server that is to have the key [COUNTERSIGN_DATA]')
    .option('--passphrase-file <file>', 'passphrase that seals the key [COUNTERSIGN_PASSPHRASE_FILE]');
  verb(command, async (options: RequestOptions) => {
    const { role, name, epoch, kgc } = options;
    const data = options.data ?? process.env.COUNTERSIGN_DATA;
    if (!data) throw new WrongUse('say in which folder: --data DIR');
    if (!URL.canParse(kgc) || !/^https?:$/.test(new URL(kgc).protocol)) throw new WrongUse(`${kgc} is no http address`);
    const bytes = unhex(options.centre);
    if (bytes?.length !== 65)
      throw new WrongUse("--centre is the centre's public key: 130 hex digits, beginning with 04");
    const { sha256, checkKey } = nodeVerifier();
    checkKey(ALG_ESP256, bytes);
    const token = new TextDecoder().decode(await readInput(options.tokenFile)).trim();
    const identity = { role, name, epoch };
    const { key, issuedFile } = await requestKey({
      ...{ folder: keysFolder(data, role), identity, sha256, next: options.next },
      centre: { alg: ALG_ESP256, bytes },
      passphrase: await findPassphrase({ file: options.passphraseFile }),
      ask: (point) => askForShare(kgc, token, identity, point),
    });
    const print = hex(implicitThumbprint(sha256, key));
    const json = { role, name, epoch, point: hex(key.point), centre: hex(key.centre), thumbprint: print, issuedFile };
    return {
      json,
      text: `${role} ${name}, epoch ${epoch}: thumbprint ${print}\nnext: a person runs  countersign keys issue ${issuedFile}`,
    };
  });
}

function issueVerb(keys: Command): void {
  const command = personOptions(
    keys.command('issue <file>').description('put an issued key on the record, before its first signature'),
  );
  verb(command, async (file: string, options: PersonOptions) => {
    const issued = await readIssued(file);
    const { session, signer } = await connectAs(options, ['operator', 'approver']);
    const committed = await issue(session, signer, issued);
    const { role, name, epoch } = issued.key;
    const print = hex(implicitThumbprint(session.verifier.sha256, issued.key));
    const json = { role, name, epoch, thumbprint: print, ...committed };
    return { json, text: `${role} ${name}, epoch ${epoch} is on the record, entry ${committed.leafIndex}` };
  });
}

function issuedVerb(keys: Command): void {
  const command = serverOptions(
    keys
      .command('issued')
      .description('issued keys on the record; ends with 1 where a centre issued two for one identity'),
  );
  verb(command, async (options: ServerOptions) => {
    const { api } = await connect(options);
    const all = (await api.get('/api/v1/issued-keys')) as IssuedKeyView[];
    const rows = all.flatMap((it) =>
      it.points.map((p) => [
        it.role,
        it.name,
        String(it.epoch),
        short(p.thumbprint),
        p.by,
        it.convicted ? 'TWO POINTS' : '',
      ]),
    );
    if (all.some(({ convicted }) => convicted)) process.exitCode = 1;
    return { json: all, text: table(['role', 'name', 'epoch', 'thumbprint', 'by', ''], rows) };
  });
}
