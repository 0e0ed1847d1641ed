/**
 * The services of a peer that a client uses, over TLS: the gateway (evaluate, endorse, submit, commit status) and the
 * stream of blocks. Proposals are checked against the client's certificate, and endorsed by every organisation.
 */
import { createHash, verify, X509Certificate } from 'node:crypto';
import {
  type handleBidiStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceError,
} from '@grpc/grpc-js';
import { common, gateway, google, msp, orderer, peer } from '@hyperledger/fabric-protos';
import type { Channel } from './channel.ts';
import type { Call, Endorsed, Endorser } from './endorser.ts';

const GRPC = { unknown: 2, invalid: 3, notFound: 5, aborted: 10, unavailable: 14 };
/** From this status on a chaincode's answer is no endorsement. */
const ERROR_STATUS = 400;

export interface Organisation {
  mspId: string;
  endorser: Endorser;
}

/** What a test may have go wrong. */
export interface Faults {
  /** Endorse answers that it cannot be reached, so many times. */
  unavailable: number;
  /** The block stream is cut before this many blocks, so many times. */
  streamCuts: number;
  /** CommitStatus answers as if the link had broken, so many times, though the transaction is ordered. */
  statusLost: number;
  /** Endorsed as if a chaincode of this name had been called, and had called ours. */
  through: string | undefined;
}

export interface GatewayServer {
  address: string;
  faults: Faults;
  /** Calls by name. */
  calls: Map<string, number>;
  close(): Promise<void>;
}

interface Proposed extends Call {
  chaincode: string;
  args: string[];
  seconds: number;
  header: common.Header;
  payload: Uint8Array;
}

export async function gatewayServer(
  channels: (name: string) => Channel | undefined,
  organisations: readonly Organisation[],
  tls: { key: string; cert: string },
): Promise<GatewayServer> {
  const faults: Faults = { unavailable: 0, streamCuts: 0, statusLost: 0, through: undefined };
  const calls = new Map<string, number>();
  const count = (name: string) => calls.set(name, (calls.get(name) ?? 0) + 1);
  const prepared = new Map<string, Parameters<Channel['order']>[0]>();

  const endorse = async (request: gateway.EndorseRequest) => {
    if (faults.unavailable-- > 0) throw failure(GRPC.unavailable, 'no peer answers');
    faults.unavailable = 0;
    const proposed = readProposal(request.getProposedTransaction()!);
    const channel = known(channels, proposed.channel);
    const wanted = request.getEndorsingOrganizationsList();
    for (const mspId of wanted) {
      if (!organisations.some((one) => one.mspId === mspId)) throw failure(GRPC.unavailable, `no peers of ${mspId}`);
    }
    const asked = organisations.filter(({ mspId }) => wanted.length === 0 || wanted.includes(mspId));
    const answers = await Promise.all(
      asked.map(async ({ mspId, endorser }) => ({
        mspId,
        endorsed: await endorser.execute(proposed, channel.states.get(mspId)!),
      })),
    );
    const failed = answers.filter(({ endorsed }) => endorsed.status >= ERROR_STATUS);
    if (failed.length > 0) {
      const details = failed.map(({ mspId, endorsed }) => ({ mspId, message: responseText(endorsed) }));
      throw failure(GRPC.aborted, 'failed to endorse transaction, see attached details for more info', details);
    }
    const payloads = answers.map(({ endorsed }) => Buffer.from(responsePayload(proposed, endorsed, faults.through)));
    if (!payloads.every((bytes) => bytes.equals(payloads[0]!)))
      throw failure(GRPC.aborted, 'failed to assemble transaction: ProposalResponsePayloads do not match');
    const envelope = envelopeOf(proposed, payloads[0]!, asked);
    prepared.set(proposed.txId, {
      txId: proposed.txId,
      seconds: proposed.seconds,
      namespace: proposed.chaincode,
      results: answers[0]!.endorsed.simulation.encoded(proposed.chaincode),
      endorsers: asked.map(({ mspId }) => mspId),
      envelope: envelope.serializeBinary(),
    });
    const response = new gateway.EndorseResponse();
    response.setPreparedTransaction(envelope);
    return response;
  };

  const submit = async (request: gateway.SubmitRequest) => {
    const transaction = prepared.get(request.getTransactionId());
    if (!transaction) throw failure(GRPC.notFound, 'nothing was prepared under this id');
    const signed = request.getPreparedTransaction()!;
    if (signed.getSignature_asU8().length === 0) throw failure(GRPC.invalid, 'the transaction is not signed');
    known(channels, request.getChannelId()).order({ ...transaction, envelope: signed.serializeBinary() });
    return new gateway.SubmitResponse();
  };

  const commitStatus = async (signed: gateway.SignedCommitStatusRequest) => {
    const request = gateway.CommitStatusRequest.deserializeBinary(signed.getRequest_asU8());
    const { code, block } = await known(channels, request.getChannelId()).status(request.getTransactionId());
    if (faults.statusLost-- > 0) throw failure(GRPC.unavailable, 'the link broke');
    faults.statusLost = 0;
    const response = new gateway.CommitStatusResponse();
    response.setResult(code as 0);
    response.setBlockNumber(block);
    return response;
  };

  const evaluate = async (request: gateway.EvaluateRequest) => {
    const proposed = readProposal(request.getProposedTransaction()!);
    const channel = known(channels, proposed.channel);
    const result = new peer.Response();
    result.setStatus(200);
    if (proposed.chaincode === 'qscc') {
      const info = new common.BlockchainInfo();
      info.setHeight(channel.blocks.length);
      result.setPayload(info.serializeBinary());
    } else {
      const [first] = organisations;
      const endorsed = await first!.endorser.execute(proposed, channel.states.get(first!.mspId)!);
      const text = `evaluate call to endorser returned error: ${responseText(endorsed)}`;
      if (endorsed.status >= ERROR_STATUS) throw failure(GRPC.unknown, text);
      result.setPayload(endorsed.payload);
    }
    const response = new gateway.EvaluateResponse();
    response.setResult(result);
    return response;
  };

  const deliver: handleBidiStreamingCall<common.Envelope, peer.DeliverResponse> = (stream) => {
    count('Deliver');
    let open = true;
    stream.on('cancelled', () => {
      open = false;
    });
    stream.on('error', () => undefined);
    stream.on('data', async (envelope: common.Envelope) => {
      const payload = common.Payload.deserializeBinary(envelope.getPayload_asU8());
      const header = common.ChannelHeader.deserializeBinary(payload.getHeader()!.getChannelHeader_asU8());
      const seek = orderer.SeekInfo.deserializeBinary(payload.getData_asU8());
      const channel = known(channels, header.getChannelId());
      let sent = 0;
      for (let next = seek.getStart()!.getSpecified()?.getNumber() ?? 0; open; ) {
        const block = channel.blocks[next];
        if (!block) {
          await channel.grown();
          continue;
        }
        if (sent++ > 0 && faults.streamCuts > 0) {
          faults.streamCuts--;
          stream.emit('error', failure(GRPC.unavailable, 'the stream was cut'));
          return;
        }
        const response = new peer.DeliverResponse();
        response.setBlock(block);
        stream.write(response);
        next++;
      }
    });
  };

  const server = new Server();
  const unary = <Q, R>(name: string, run: (request: Q) => Promise<R>): handleUnaryCall<Q, R> => {
    return ({ request }, done) => {
      count(name);
      run(request).then(
        (response) => done(null, response),
        (error) => done(error),
      );
    };
  };
  server.addService(
    {
      Endorse: method('/gateway.Gateway/Endorse', gateway.EndorseRequest, gateway.EndorseResponse),
      Submit: method('/gateway.Gateway/Submit', gateway.SubmitRequest, gateway.SubmitResponse),
      CommitStatus: method(
        '/gateway.Gateway/CommitStatus',
        gateway.SignedCommitStatusRequest,
        gateway.CommitStatusResponse,
      ),
      Evaluate: method('/gateway.Gateway/Evaluate', gateway.EvaluateRequest, gateway.EvaluateResponse),
      Deliver: { ...method('/protos.Deliver/Deliver', common.Envelope, peer.DeliverResponse), ...STREAMS },
    },
    {
      Endorse: unary('Endorse', endorse),
      Submit: unary('Submit', submit),
      CommitStatus: unary('CommitStatus', commitStatus),
      Evaluate: unary('Evaluate', evaluate),
      Deliver: deliver,
    },
  );
  const credentials = ServerCredentials.createSsl(null, [
    { private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) },
  ]);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  return { address: `localhost:${port}`, faults, calls, close: async () => server.forceShutdown() };
}

const STREAMS = { requestStream: true, responseStream: true };

interface Message {
  serializeBinary(): Uint8Array;
}

function method<Q extends Message, R extends Message>(
  path: string,
  request: { deserializeBinary(bytes: Uint8Array): Q },
  response: { deserializeBinary(bytes: Uint8Array): R },
) {
  return {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: (value: Q) => Buffer.from(value.serializeBinary()),
    requestDeserialize: (bytes: Buffer) => request.deserializeBinary(bytes),
    responseSerialize: (value: R) => Buffer.from(value.serializeBinary()),
    responseDeserialize: (bytes: Buffer) => response.deserializeBinary(bytes),
  };
}

function known(channels: (name: string) => Channel | undefined, name: string): Channel {
  const channel = channels(name);
  if (!channel) throw failure(GRPC.notFound, `channel ${name} not found`);
  return channel;
}

/** @throws ServiceError where the client did not sign it */
function readProposal(signed: peer.SignedProposal): Proposed {
  const proposal = peer.Proposal.deserializeBinary(signed.getProposalBytes_asU8());
  const header = common.Header.deserializeBinary(proposal.getHeader_asU8());
  const channelHeader = common.ChannelHeader.deserializeBinary(header.getChannelHeader_asU8());
  const signature = common.SignatureHeader.deserializeBinary(header.getSignatureHeader_asU8());
  const creator = msp.SerializedIdentity.deserializeBinary(signature.getCreator_asU8());
  const { publicKey } = new X509Certificate(Buffer.from(creator.getIdBytes_asU8()));
  const valid = verify('sha256', signed.getProposalBytes_asU8(), publicKey, signed.getSignature_asU8());
  if (!valid) throw failure(GRPC.invalid, 'the proposal is not signed by its creator');
  const payload = peer.ChaincodeProposalPayload.deserializeBinary(proposal.getPayload_asU8());
  const spec = peer.ChaincodeInvocationSpec.deserializeBinary(payload.getInput_asU8()).getChaincodeSpec()!;
  const input = spec.getInput()!;
  return {
    channel: channelHeader.getChannelId(),
    txId: channelHeader.getTxId(),
    proposal: signed,
    input,
    chaincode: spec.getChaincodeId()!.getName(),
    args: input.getArgsList_asU8().map((arg) => Buffer.from(arg).toString()),
    seconds: channelHeader.getTimestamp()!.getSeconds(),
    header,
    payload: proposal.getPayload_asU8(),
  };
}

function responsePayload(proposed: Proposed, endorsed: Endorsed, through = proposed.chaincode): Uint8Array {
  const { event, simulation, status, payload } = endorsed;
  const response = new peer.Response();
  response.setStatus(status);
  response.setPayload(payload);
  const id = new peer.ChaincodeID();
  id.setName(through);
  const action = new peer.ChaincodeAction();
  action.setResults(simulation.encoded(proposed.chaincode));
  action.setResponse(response);
  action.setChaincodeId(id);
  if (event) {
    const whole = new peer.ChaincodeEvent();
    whole.setEventName(event.getEventName());
    whole.setPayload(event.getPayload_asU8());
    whole.setChaincodeId(proposed.chaincode);
    whole.setTxId(proposed.txId);
    action.setEvents(whole.serializeBinary());
  }
  const result = new peer.ProposalResponsePayload();
  const { header } = proposed;
  const hash = createHash('sha256').update(header.getChannelHeader_asU8()).update(header.getSignatureHeader_asU8());
  result.setProposalHash(hash.update(proposed.payload).digest());
  result.setExtension$(action.serializeBinary());
  return result.serializeBinary();
}

function envelopeOf(proposed: Proposed, response: Uint8Array, organisations: readonly Organisation[]) {
  const endorsed = new peer.ChaincodeEndorsedAction();
  endorsed.setProposalResponsePayload(response);
  for (const { mspId } of organisations) {
    const endorsement = new peer.Endorsement();
    const identity = new msp.SerializedIdentity();
    identity.setMspid(mspId);
    endorsement.setEndorser(identity.serializeBinary());
    endorsed.addEndorsements(endorsement);
  }
  const actionPayload = new peer.ChaincodeActionPayload();
  actionPayload.setChaincodeProposalPayload(proposed.payload);
  actionPayload.setAction(endorsed);
  const action = new peer.TransactionAction();
  action.setHeader(proposed.header.getSignatureHeader_asU8());
  action.setPayload(actionPayload.serializeBinary());
  const transaction = new peer.Transaction();
  transaction.addActions(action);
  const payload = new common.Payload();
  payload.setHeader(proposed.header);
  payload.setData(transaction.serializeBinary());
  const envelope = new common.Envelope();
  envelope.setPayload(payload.serializeBinary());
  return envelope;
}

function responseText({ status, message }: Endorsed): string {
  return `chaincode response ${status}, ${message}`;
}

function failure(code: number, text: string, details: { mspId: string; message: string }[] = []): ServiceError {
  const metadata = new Metadata();
  if (details.length > 0) {
    const status = new google.rpc.Status();
    status.setCode(code);
    status.setMessage(text);
    for (const { mspId, message } of details) {
      const detail = new gateway.ErrorDetail();
      detail.setMspId(mspId);
      detail.setAddress('peer.test:7051');
      detail.setMessage(message);
      const any = status.addDetails();
      any.setTypeUrl('type.googleapis.com/gateway.ErrorDetail');
      any.setValue(detail.serializeBinary());
    }
    metadata.set('grpc-status-details-bin', Buffer.from(status.serializeBinary()));
  }
  return Object.assign(new Error(text), { code, details: text, metadata });
}
