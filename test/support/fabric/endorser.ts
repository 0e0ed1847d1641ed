/** The peer's side of the chaincode protocol: connects to a chaincode service and answers what it asks of the state. */
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import { ledger, peer } from '@hyperledger/fabric-protos';
import timestamps from 'google-protobuf/google/protobuf/timestamp_pb.js';
import { Simulation } from './simulation.ts';
import type { VersionedState } from './versioned-state.ts';

const { ChaincodeMessage } = peer;
const { Type } = ChaincodeMessage;
/** Rows of one answer to a range query; so few that every list is fetched in several. */
const PAGE_ROWS = 3;

export interface Endorsed {
  status: number;
  message: string;
  payload: Uint8Array;
  event: peer.ChaincodeEvent | undefined;
  simulation: Simulation;
}

interface Running {
  simulation: Simulation;
  state: VersionedState;
  /** Rows that were not fetched yet, by the id of the query. */
  pages: Map<string, Uint8Array[]>;
  done(endorsed: Endorsed): void;
  failed(error: Error): void;
}

export class Endorser {
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<peer.ChaincodeMessage, peer.ChaincodeMessage>;
  readonly #running = new Map<string, Running>();
  readonly ready: Promise<void>;

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure());
    this.#stream = this.#client.makeBidiStreamRequest(
      '/protos.Chaincode/Connect',
      (message: peer.ChaincodeMessage) => Buffer.from(message.serializeBinary()),
      (bytes: Buffer) => ChaincodeMessage.deserializeBinary(bytes),
    );
    this.ready = new Promise((resolve, reject) => {
      this.#stream.on('data', (message: peer.ChaincodeMessage) => {
        if (message.getType() === Type.REGISTER) {
          for (const type of [Type.REGISTERED, Type.READY]) this.#say(type, '', '', new Uint8Array());
          resolve();
        } else this.#answer(message);
      });
      this.#stream.on('error', (error) => {
        reject(error);
        for (const { failed } of this.#running.values()) failed(error);
      });
    });
    this.ready.catch(() => undefined);
  }

  /** Runs the chaincode over a state, without changing it. */
  execute({ channel, txId, proposal, input }: Call, state: VersionedState): Promise<Endorsed> {
    return new Promise((resolve, reject) => {
      const done = { simulation: new Simulation(state), state, pages: new Map(), done: resolve, failed: reject };
      this.#running.set(channel + txId, done);
      const message = this.#message(Type.TRANSACTION, channel, txId, input.serializeBinary());
      message.setProposal(proposal);
      this.#stream.write(message);
    });
  }

  close(): void {
    this.#stream.cancel();
    this.#client.close();
  }

  #answer(message: peer.ChaincodeMessage): void {
    const [channel, txId] = [message.getChannelId(), message.getTxid()];
    const running = this.#running.get(channel + txId);
    if (!running) return;
    const type = message.getType();
    if (type === Type.COMPLETED || type === Type.ERROR) {
      this.#running.delete(channel + txId);
      if (type === Type.ERROR) running.failed(new Error(Buffer.from(message.getPayload_asU8()).toString()));
      else running.done(completed(message, running.simulation));
      return;
    }
    try {
      this.#say(Type.RESPONSE, channel, txId, respond(type, message.getPayload_asU8(), running));
    } catch (error) {
      this.#say(Type.ERROR, channel, txId, Buffer.from(String(error)));
    }
  }

  #say(type: number, channel: string, txId: string, payload: Uint8Array): void {
    this.#stream.write(this.#message(type, channel, txId, payload));
  }

  #message(type: number, channel: string, txId: string, payload: Uint8Array): peer.ChaincodeMessage {
    const message = new ChaincodeMessage();
    message.setType(type as 0);
    message.setChannelId(channel);
    message.setTxid(txId);
    message.setPayload(payload);
    return message;
  }
}

export interface Call {
  channel: string;
  txId: string;
  proposal: peer.SignedProposal;
  input: peer.ChaincodeInput;
}

function completed(message: peer.ChaincodeMessage, simulation: Simulation): Endorsed {
  const response = peer.Response.deserializeBinary(message.getPayload_asU8());
  return {
    status: response.getStatus(),
    message: response.getMessage(),
    payload: response.getPayload_asU8(),
    event: message.getChaincodeEvent(),
    simulation,
  };
}

function respond(type: number, payload: Uint8Array, { simulation, state, pages }: Running): Uint8Array {
  switch (type) {
    case Type.GET_STATE:
      return simulation.get(peer.GetState.deserializeBinary(payload).getKey());
    case Type.PUT_STATE: {
      const put = peer.PutState.deserializeBinary(payload);
      simulation.put(put.getKey(), Buffer.from(put.getValue_asU8()));
      return new Uint8Array();
    }
    case Type.DEL_STATE:
      simulation.put(peer.DelState.deserializeBinary(payload).getKey(), null);
      return new Uint8Array();
    case Type.GET_STATE_BY_RANGE: {
      const query = peer.GetStateByRange.deserializeBinary(payload);
      const rows = simulation.range(query.getStartkey(), query.getEndkey()).map(({ key, value }) => {
        const row = new ledger.queryresult.KV();
        row.setKey(key);
        row.setValue(value);
        return row.serializeBinary();
      });
      return page(pages, `range ${pages.size}`, rows);
    }
    case Type.GET_HISTORY_FOR_KEY: {
      const { key } = { key: peer.GetHistoryForKey.deserializeBinary(payload).getKey() };
      return page(pages, `history ${pages.size}`, state.history(key).map(modification));
    }
    case Type.QUERY_STATE_NEXT: {
      const id = peer.QueryStateNext.deserializeBinary(payload).getId();
      return page(pages, id, pages.get(id) ?? []);
    }
    case Type.QUERY_STATE_CLOSE:
      return new peer.QueryResponse().serializeBinary();
    default:
      throw new Error(`the peer of the tests knows no message of type ${type}`);
  }
}

function modification({ txId, value, seconds }: ReturnType<VersionedState['history']>[number]): Uint8Array {
  const change = new ledger.queryresult.KeyModification();
  change.setTxId(txId);
  change.setIsDelete(value === null);
  if (value) change.setValue(value);
  const time = new timestamps.Timestamp();
  time.setSeconds(seconds);
  change.setTimestamp(time as never);
  return change.serializeBinary();
}

function page(pages: Map<string, Uint8Array[]>, id: string, rows: Uint8Array[]): Uint8Array {
  const response = new peer.QueryResponse();
  for (const bytes of rows.slice(0, PAGE_ROWS)) {
    const result = new peer.QueryResultBytes();
    result.setResultbytes(bytes);
    response.addResults(result);
  }
  const rest = rows.slice(PAGE_ROWS);
  pages.set(id, rest);
  response.setHasMore(rest.length > 0);
  response.setId(id);
  return response.serializeBinary();
}
