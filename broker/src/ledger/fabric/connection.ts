/** The gRPC connection to this organisation's peer, and who we are there. */
import { createPrivateKey } from 'node:crypto';
import { Refusal } from '@countersign/device-sdk';
import { Client, credentials } from '@grpc/grpc-js';
import { connect, type Gateway, hash, signers } from '@hyperledger/fabric-gateway';
import type { FabricProfile } from './profile.ts';

/** The largest block that Fabric makes by default is 10 MB of transactions, 100 MB is the peer's own limit. */
const MESSAGE_BYTES_MAX = 100 * 1024 * 1024;
/** A silent link is asked after this time, so that a block stream ends with a dead one. Peers hang up on less than 60 s. */
const KEEPALIVE_MS = 120_000;
/** A peer that comes back is found within seconds: by default gRPC waits two minutes between its tries in the end. */
const RECONNECT_MS_MAX = 5_000;

export interface Connection {
  gateway: Gateway;
  close(): void;
}

/** Nothing is sent yet: an address that does not answer shows at the first call. @throws Refusal BAD_REQUEST */
export function openConnection(profile: FabricProfile): Connection {
  const { tlsRoots, tlsClient, peerName, timeoutsMs } = profile;
  const tls = credentials.createSsl(tlsRoots, tlsClient?.key ?? null, tlsClient?.certificate ?? null);
  const client = new Client(profile.peer, tls, {
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.max_reconnect_backoff_ms': RECONNECT_MS_MAX,
    ...(peerName ? { 'grpc.ssl_target_name_override': peerName } : {}),
  });
  const within = (ms: number) => () => ({ deadline: Date.now() + ms });
  const gateway = connect({
    client,
    identity: { mspId: profile.mspId, credentials: profile.certificate },
    signer: signerOf(profile.privateKey),
    hash: hash.sha256,
    endorseOptions: within(timeoutsMs.endorse),
    submitOptions: within(timeoutsMs.submit),
    commitStatusOptions: within(timeoutsMs.commit),
    evaluateOptions: within(timeoutsMs.evaluate),
  });
  return {
    gateway,
    close() {
      gateway.close();
      client.close();
    },
  };
}

function signerOf(pem: Buffer) {
  try {
    return signers.newPrivateKeySigner(createPrivateKey(pem));
  } catch (cause) {
    throw new Refusal('BAD_REQUEST', 'the private key of the Fabric profile cannot be used', { cause });
  }
}
