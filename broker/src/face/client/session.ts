/** A person at a server: whatever changes the ledger is signed here, with his own key, and only then sent. */
import { demand, type Verifier } from '@countersign/device-sdk';
import { type Action, hex, type Signer, unhex, type Value } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { signTransaction } from '../../keys/tx.ts';
import type { CommittedView } from '../api/views.ts';
import type { ApiClient } from './api-client.ts';

export interface Endpoints {
  /** Which of `ledger`, `collection`, `distribution`, `peer` answer at this address. */
  servers: string[];
  /** The ledger's origin. */
  origin: string;
  ledger: string | null;
  collection: string | null;
  distribution: string | null;
  mqtt: string | null;
  /** Where devices without MQTT ask. */
  devices: string | null;
  brokerId: string | null;
  /** Of a peer: the address of the orderer that it follows, which takes statements. */
  orderer?: string;
}

export interface Session {
  readonly api: ApiClient;
  readonly verifier: Verifier;
  readonly endpoints: Endpoints;
}

/** @throws Refusal UNREACHABLE, UNAUTHORIZED */
export async function openSession(api: ApiClient, verifier: Verifier = nodeVerifier()): Promise<Session> {
  const endpoints = (await api.get('/api/v1/endpoints')) as Endpoints;
  demand(typeof endpoints.origin === 'string', 'UNREACHABLE', `${api.url} is no server of ours`);
  return { api, verifier, endpoints };
}

export interface Deed {
  action: Action;
  object: Uint8Array;
  /** Leaf hash, in hex, of the entry that last changed the object; asked of the server where not given. */
  previous?: string;
  args: Value;
}

/** Signs for this session's ledger. @throws Refusal TOO_LARGE */
export async function signDeed(session: Session, signer: Signer, deed: Deed): Promise<Uint8Array> {
  const previous = deed.previous ?? (await previousOf(session, deed.object));
  const bytes = unhex(previous);
  demand(bytes?.length === 32, 'MALFORMED', "the server's answer names no former entry");
  const channel = session.endpoints.origin;
  return signTransaction(session.verifier.sha256, signer, { ...deed, channel, previous: bytes });
}

/** Signs and submits. @throws Refusal with the contract's code */
export async function perform(session: Session, signer: Signer, deed: Deed): Promise<CommittedView> {
  const statement = await signDeed(session, signer, deed);
  return (await session.api.post('/api/v1/transactions', statement)) as CommittedView;
}

/** Leaf hash, in hex, of the entry that the server says changed an object last. */
export async function previousOf({ api }: Session, object: Uint8Array): Promise<string> {
  const { previous } = (await api.get(`/api/v1/previous/${hex(object)}`)) as { previous?: unknown };
  return String(previous);
}

/** A name inside a path. */
export function inPath(name: string): string {
  return encodeURIComponent(name);
}
