import type { Command } from 'commander';
import { verb } from './program.ts';
import type { PeerOptions } from './run-peer.ts';
import { collect, readPort } from './values.ts';

/** `peer`: keeps a whole copy of a ledger, cosigns its heads, serves what the ledger serves, until it is stopped. */
export function peerVerb(program: Command): void {
  const command = program
    .command('peer')
    .description('follow a ledger: keep a whole copy, check and cosign it, serve it; until it is stopped')
    .requiredOption(
      '--follow <url|dir>',
      'the orderer, then other peers: an address, or the folder of one on this machine; repeat',
      collect,
    )
    .option('--token-file <file>', 'token of an address that is followed, in the same order; repeat', collect)
    .option('--data <dir>', "the peer's folder: key, copy, evidence [COUNTERSIGN_DATA]")
    .option('--trust <file>', 'first start: trust-root.cbor of the orderer; found where its folder is followed')
    .option(
      '--ledger <engine>',
      'embedded, fabric or evm: whose order this peer checks at its own node before it cosigns [embedded]',
    )
    .option('--fabric-profile <file>', '--ledger fabric: connection profile of the own node (docs/OPERATIONS.md)')
    .option('--evm-profile <file>', '--ledger evm: the own node and the contract (docs/OPERATIONS.md)')
    .option('--contents <url>', 'where images and payloads are, if not with those followed: a collection server')
    .option('--contents-token-file <file>', 'token of its API')
    .option('--host <address>', 'listen on this address [127.0.0.1]')
    .option('--port <n>', 'port of the API; 0 for any; as last time where not given', readPort)
    .option('--tls-cert <file>', 'certificate in PEM')
    .option('--tls-key <file>', 'its key in PEM')
    .option('--plain', 'listen beyond this machine without TLS, because something in front does it')
    .option('--new-token', 'make a new API token; the old one is worth nothing any more')
    .option('--passphrase-file <file>', "passphrase of the peer's key file [COUNTERSIGN_PASSPHRASE_FILE]")
    .option('--log-level <level>', 'what is logged to stderr: error, warn, info', 'info');
  verb(command, async (options: PeerOptions) => {
    const { runPeer } = await import('./run-peer.ts');
    return runPeer(options);
  });
}
