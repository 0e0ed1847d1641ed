import { type Command, Option } from 'commander';
import { SERVERS } from '../up/folders.ts';
import { verb } from './program.ts';
import type { UpOptions } from './run-up.ts';
import { collect, readPort, readWhole } from './values.ts';

/** `up`: everything on embedded defaults, or one server, until SIGTERM or SIGINT. */
export function upVerb(program: Command): void {
  const command = program
    .command('up')
    .description('run ledger, collection and distribution server and the MQTT broker, until it is stopped')
    .addOption(new Option('--only <server>', 'run one of them').choices(SERVERS))
    .option(
      '--data <dir>',
      'keep everything here; without it a temporary folder, removed at the end [COUNTERSIGN_DATA]',
    )
    .option('--host <address>', 'listen on this address [127.0.0.1]')
    .option('--port <n>', 'port of the API; 0 for any; as last time where not given', readPort)
    .option('--mqtt-port <n>', 'port of the MQTT broker; 0 for any; as last time where not given', readPort)
    .option('--mqtt-url <url>', 'use another MQTT 3.1.1 broker instead of the embedded one')
    .option('--mqtt-user <name>', 'user name there')
    .option('--mqtt-password-file <file>', 'password there')
    .option('--mqtt-ca <file>', 'authority of its certificate, in PEM')
    .option('--mqtt-cert <file>', "this server's certificate there, in PEM")
    .option('--mqtt-key <file>', 'its key in PEM')
    .option('--device-port <n>', 'let devices come by HTTP too, on this port; 0 for any; as last time', readPort)
    .option('--device-ca <file>', 'such devices need a certificate of this authority, in PEM')
    .option('--enrol-ca <file>', 'devices may enrol themselves with certificates of this authority, in PEM')
    .option('--enrol-crl <file>', 'revoked ones, in PEM: a list of each authority; read again each minute')
    .option('--enrol-deny <file>', 'more of them: a serial number or a name on each line; read at each claim')
    .option('--tls-cert <file>', 'certificate in PEM, for API and MQTT')
    .option('--tls-key <file>', 'its key in PEM')
    .option('--plain', 'listen beyond this machine without TLS, because something in front does it')
    .option('--open-gateway', 'whoever comes may ask /ipfs/CID for content; otherwise the token is needed')
    .option('--new-token', 'make a new API token; the old one is worth nothing any more')
    .option('--require-totp', 'approvals, rollouts, people and keys need a second factor (people totp)')
    .option('--passphrase-file <file>', "passphrase of the servers' key files [COUNTERSIGN_PASSPHRASE_FILE]")
    .option('--log-level <level>', 'what is logged to stderr: error, warn, info', 'warn')
    .option('--no-samples', 'do not publish the sample products')
    .option('--origin <name>', 'first start: name of the ledger; random where not given')
    .option('--people <name=role,role>', 'first start: make a key for this person; repeat; three by default', collect)
    .option('--person-file <file>', 'first start: enrolment that a person signed (`keys enrolment`); repeat', collect)
    .option('--head-age <seconds>', 'first start: oldest head under which devices install [86400]', readWhole)
    .option(
      '--from-peer <url|dir>',
      'bring a lost ledger back from a peer, with the keys that are here; repeat',
      collect,
    )
    .option('--from-peer-token-file <file>', 'token of an address given so, in the same order; repeat', collect)
    .option('--head <file>', '--from-peer: a head that was kept elsewhere, which the copy must contain')
    .option('--peer-key <file>', 'first start: public key of a peer that cosigns (`keys server peer`); repeat', collect)
    .option('--quorum <n>', 'first start: peers that must have cosigned a head [a majority]', readWhole)
    .option('--witness <url>', 'a peer that is asked to cosign checkpoints, URL/witness; repeat', collect)
    .option('--server-keys <file>', 'first start of --only ledger: public keys of another server; repeat', collect)
    .option('--trust <file>', 'first start of --only collection|distribution: trust-root.cbor of the ledger')
    .option(
      '--ledger <engine|url>',
      'embedded, fabric or evm [embedded]; --only collection|distribution: the ledger server',
    )
    .option('--fabric-profile <file>', '--ledger fabric: connection profile (docs/OPERATIONS.md)')
    .option('--evm-profile <file>', '--ledger evm: how to reach the chain (docs/OPERATIONS.md)')
    .option('--ledger-token-file <file>', 'token of its API')
    .option('--ledger-peer <url|dir>', '--only …: a peer to read from where it is away; repeat', collect)
    .option('--ledger-peer-token-file <file>', 'token of an address given so, in the same order; repeat', collect)
    .option('--collection <url>', '--only distribution: the collection server')
    .option('--collection-token-file <file>', 'token of its API');
  verb(command, async (options: UpOptions) => {
    // The servers are loaded only where they run: every other verb starts in half the time.
    const { runUp } = await import('./run-up.ts');
    await runUp(options);
    return undefined;
  });
}
