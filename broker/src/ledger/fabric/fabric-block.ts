/**
 * What a Fabric block says of our ledger. The block comes from this organisation's own peer, which has checked
 * signatures and endorsement policy; links and hashes are checked again, so that a position means one history.
 */
import { createHash } from 'node:crypto';
import { Refusal } from '@countersign/device-sdk';
import { common, ledger, peer } from '@hyperledger/fabric-protos';
import type { FinalBlock, FinalTransaction } from '../mirror/order.ts';

/** Where a block's metadata has one validation code for each transaction. */
const TRANSACTIONS_FILTER = 2;
const SUBMIT = 'submit';
const BEGIN = 'begin';

/** Which chaincode of the channel, and which of its ledgers. */
export interface Ours {
  chaincode: string;
  ledger: string;
}

/** @throws Refusal DIVERGED where the block contradicts itself, or a valid transaction wrote past our functions */
export function finalBlock(block: common.Block, ours: Ours): FinalBlock<readonly Uint8Array[]> {
  const header = block.getHeader();
  const data = block.getData()?.getDataList_asU8() ?? [];
  if (!header) throw new Refusal('DIVERGED', 'the peer gave a block without a header');
  const number = header.getNumber();
  const whole = createHash('sha256').update(Buffer.concat(data)).digest().equals(header.getDataHash_asU8());
  if (!whole) throw new Refusal('DIVERGED', `the data of Fabric block ${number} is not what its header says`);
  const codes = block.getMetadata()?.getMetadataList_asU8()[TRANSACTIONS_FILTER] ?? new Uint8Array();
  const transactions: FinalTransaction<readonly Uint8Array[]>[] = [];
  for (const [tx, envelope] of data.entries()) {
    if (codes[tx] !== peer.TxValidationCode.VALID) continue;
    const statements = statementsOf(envelope, ours, `Fabric block ${number}, transaction ${tx}`);
    if (statements) transactions.push({ tx, statements });
  }
  return { number, hash: headerHash(header).toString('hex'), transactions };
}

/** The hash that the next block names: SHA-256 over the DER sequence of number, previous hash and data hash. */
export function headerHash(header: common.BlockHeader): Buffer {
  const fields = [
    derInteger(header.getNumber()),
    der(0x04, header.getPreviousHash_asU8()),
    der(0x04, header.getDataHash_asU8()),
  ];
  return createHash('sha256')
    .update(der(0x30, Buffer.concat(fields)))
    .digest();
}

/** What a valid transaction carries for us; undefined where it has nothing to do with our chaincode. */
function statementsOf(envelope: Uint8Array, ours: Ours, where: string): Uint8Array[] | undefined {
  const payload = common.Payload.deserializeBinary(common.Envelope.deserializeBinary(envelope).getPayload_asU8());
  const channelHeader = common.ChannelHeader.deserializeBinary(payload.getHeader()?.getChannelHeader_asU8() ?? EMPTY);
  if (channelHeader.getType() !== common.HeaderType.ENDORSER_TRANSACTION) return undefined;
  const actions = peer.Transaction.deserializeBinary(payload.getData_asU8()).getActionsList();
  const [action] = actions;
  if (!action || actions.length !== 1) throw new Refusal('DIVERGED', `${where} has ${actions.length} actions`);
  const read = readAction(action);
  if (!read.written.has(ours.chaincode)) return undefined;
  // Another chaincode that calls ours writes our state and shows no statement: such an entry can be in no tree.
  const args = read.chaincode === ours.chaincode ? read.args : [];
  const [called = '', ledgerName, ...statements] = args.map((arg) => Buffer.from(arg).toString());
  // A function may be called with the name of its contract before it.
  const name = called.split(':').at(-1);
  const right = name === BEGIN || (name === SUBMIT && statements.length === 1);
  if (!right) throw new Refusal('DIVERGED', `${where} wrote into ${ours.chaincode} without a statement`);
  if (ledgerName !== ours.ledger) return undefined;
  return statements.map((text) => new Uint8Array(Buffer.from(text, 'base64')));
}

const EMPTY = new Uint8Array();

function readAction(action: peer.TransactionAction) {
  const payload = peer.ChaincodeActionPayload.deserializeBinary(action.getPayload_asU8());
  const proposal = peer.ChaincodeProposalPayload.deserializeBinary(payload.getChaincodeProposalPayload_asU8());
  const spec = peer.ChaincodeInvocationSpec.deserializeBinary(proposal.getInput_asU8()).getChaincodeSpec();
  const response = payload.getAction()?.getProposalResponsePayload_asU8() ?? EMPTY;
  const result = peer.ChaincodeAction.deserializeBinary(
    peer.ProposalResponsePayload.deserializeBinary(response).getExtension_asU8(),
  );
  const sets = ledger.rwset.TxReadWriteSet.deserializeBinary(result.getResults_asU8()).getNsRwsetList();
  const writing = sets.filter((set) => {
    const writes = ledger.rwset.kvrwset.KVRWSet.deserializeBinary(set.getRwset_asU8());
    return writes.getWritesList().length > 0 || writes.getMetadataWritesList().length > 0;
  });
  return {
    chaincode: result.getChaincodeId()?.getName(),
    args: spec?.getInput()?.getArgsList_asU8() ?? [],
    written: new Set(writing.map((set) => set.getNamespace())),
  };
}

function der(tag: number, content: Uint8Array): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

function derInteger(value: number): Buffer {
  let text = value.toString(16);
  if (text.length % 2 === 1) text = `0${text}`;
  const bytes = Buffer.from(text, 'hex');
  // DER integers are signed: a first bit that is set would make it negative.
  return der(0x02, bytes[0]! >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes);
}
