import { join } from 'node:path';
import { demand } from '@countersign/device-sdk';
import { hex, ROLES, type Role } from '@countersign/device-sdk/format';
import { createCommandKey } from '@countersign/device-sdk/host/key-file';
import { type Command, Option } from 'commander';
import { KEY_HOLDERS, keysFolder, peopleFolder } from '../up/folders.ts';
import { SERVER_ROLES } from '../up/identities.ts';
import { readPublic } from './people.ts';
import { verb, WrongUse } from './program.ts';
import { readWhole } from './values.ts';

interface CommandOptions {
  public: string;
  data?: string;
  out?: string;
  name?: string;
  seconds?: number;
}

const FILE_ROLES = [...ROLES, 'person', 'device'] as const;
type FileRole = (typeof FILE_ROLES)[number];

/** `keys command`: the key of a role is not in a file of ours; a program signs with it. */
export function commandVerb(keys: Command): void {
  const command = keys
    .command('command')
    .description('let a program sign for a role: a KMS, a hardware module (docs/design/signers.md)')
    .argument('<role>', FILE_ROLES.join(', '))
    .argument('<program...>', 'absolute path and arguments, after --: bytes on stdin, the signature on stdout')
    .requiredOption('--public <key>', 'the public key it signs with: 64 hex digits, a PEM file or a COSE_Key file')
    .option('--data <dir>', 'the folder in which the servers and people have their keys [COUNTERSIGN_DATA]')
    .option('-o, --out <file>', 'write the key file here instead')
    .option('--name <name>', 'role person: the name under which the ledger knows them')
    .addOption(new Option('--seconds <n>', 'time for one signature [10]').argParser(readWhole));
  verb(command, async (roleText: string, program: string[], options: CommandOptions) => {
    const role = FILE_ROLES.find((known) => known === roleText);
    if (!role) throw new WrongUse(`${roleText} is no role of a key: ${FILE_ROLES.join(', ')}`);
    if ((role === 'person') !== (options.name !== undefined)) throw new WrongUse('--name is for the role person');
    const file = options.out ?? pathOf(role, options);
    const { alg, bytes } = await readPublic(options.public);
    await createCommandKey(file, {
      ...{ role, alg, publicKey: hex(bytes), command: program as [string, ...string[]] },
      ...(options.name !== undefined && { name: options.name }),
      ...(options.seconds !== undefined && { seconds: options.seconds }),
    });
    const json = { file, role, alg, publicKey: hex(bytes), command: program };
    return { json, text: `${file}\nthe command signed a test message under public key ${hex(bytes)}` };
  });
}

/** @throws Refusal BAD_REQUEST for a name that is no name */
function pathOf(role: FileRole, { data = process.env.COUNTERSIGN_DATA, name = '' }: CommandOptions): string {
  if (role === 'device') throw new WrongUse("say where the device's key file goes: --out FILE");
  if (!data) throw new WrongUse('say in which folder: --data DIR, or --out FILE');
  if (role === 'person') {
    demand(/^[a-z0-9][a-z0-9._-]{0,31}$/.test(name), 'BAD_REQUEST', `${name.slice(0, 40)} is no name of a person`);
    return join(peopleFolder(data), `${name}.key`);
  }
  const holder = KEY_HOLDERS.find((server) => SERVER_ROLES[server].includes(role as Role))!;
  return join(keysFolder(data, holder), `${role}.key`);
}
