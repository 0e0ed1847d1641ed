/** The list of serials that a factory or a purchaser hands over, in CSV or JSON. */
import { randomBytes } from 'node:crypto';
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { ALG_ED25519, hex, publicKeyOf, thumbprint, unhex } from '@countersign/device-sdk/format';
import { claimKey, newClaimCode } from '@countersign/device-sdk/host/claim';
import type { ListLine } from '../../distribution/enrolment/lists.ts';

const COLUMNS = ['serial', 'key', 'thumbprint', 'code'] as const;
type Row = Partial<Record<(typeof COLUMNS)[number], string>>;

export interface ListFile {
  lines: ListLine[];
  /** Of serials without a key: a code was made for each, which is here and nowhere else. */
  codes: { serial: string; code: string }[];
}

/**
 * Reads a table whose first line names its columns, or a JSON list of objects. Beside each `serial` stands one of: `key`,
 * the device's Ed25519 public key in hex; `thumbprint`, SHA-256 of a COSE_Key (RFC 9679), of the device or made of a
 * code; `code`, a secret of 32 hex digits that the device was given. With nothing beside it a code is made.
 * @throws Refusal BAD_REQUEST
 */
export function readListFile({ sha256 }: Pick<Verifier, 'sha256'>, text: string): ListFile {
  const rows = /^\s*\[/.test(text) ? readJson(text) : readCsv(text);
  const codes: ListFile['codes'] = [];
  const lines = rows.map((row, i): ListLine => {
    const where = `line ${i + 1} of the list`;
    const { serial, key, thumbprint: given, code } = row;
    demand(serial, 'BAD_REQUEST', `${where} has no serial`);
    const values = [key, given, code].filter((value) => value !== undefined);
    demand(values.length <= 1, 'BAD_REQUEST', `${where}: one of key, thumbprint and code`);
    const made = code ?? (values.length === 0 ? newClaimCode() : undefined);
    if (values.length === 0) codes.push({ serial, code: made! });
    return { serial, salt: hex(new Uint8Array(randomBytes(16))), print: printOf(made) };

    function printOf(secret: string | undefined): string {
      if (key !== undefined) return hex(thumbprint(sha256, { alg: ALG_ED25519, bytes: bytesOf(key, where) }));
      if (given !== undefined) return hex(bytesOf(given, where));
      return hex(thumbprint(sha256, publicKeyOf(claimKey({ sha256 }, secret!).signer)));
    }
  });
  return { lines, codes };
}

function bytesOf(text: string, where: string): Uint8Array {
  const bytes = unhex(text.toLowerCase());
  demand(bytes?.length === 32, 'BAD_REQUEST', `${where}: a key or a thumbprint has 64 hex digits`);
  return bytes;
}

function readCsv(text: string): Row[] {
  const [first = '', ...rest] = text.split(/\r?\n/).filter((line) => !/^\s*(#|$)/.test(line));
  const names = cells(first);
  demand(
    names.includes('serial'),
    'BAD_REQUEST',
    'the first line names the columns: serial, then key, thumbprint or code',
  );
  checkNames(names);
  return rest.map((line, i) => {
    const values = cells(line);
    const good = values.length === names.length;
    demand(good, 'BAD_REQUEST', `line ${i + 1} of the list has ${values.length} columns of ${names.length}`);
    return Object.fromEntries(names.flatMap((name, at) => (values[at] === '' ? [] : [[name, values[at]]])));
  });
}

function cells(line: string): string[] {
  return line.split(',').map((cell) => cell.trim().replace(/^"([^"]*)"$/, '$1'));
}

function readJson(text: string): Row[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (cause) {
    throw new Refusal('BAD_REQUEST', 'the list is no JSON', { cause });
  }
  demand(Array.isArray(list), 'BAD_REQUEST', 'the list is no JSON list');
  return list.map((item, i) => {
    const good = typeof item === 'object' && item !== null && Object.values(item).every((v) => typeof v === 'string');
    demand(good, 'BAD_REQUEST', `line ${i + 1} of the list is no object of texts`);
    checkNames(Object.keys(item));
    return item as Row;
  });
}

function checkNames(names: readonly string[]): void {
  const strange = names.find((name, i) => !COLUMNS.some((known) => known === name) || names.indexOf(name) !== i);
  demand(
    strange === undefined,
    'BAD_REQUEST',
    `a list has the columns ${COLUMNS.join(', ')}, each once, not ${strange}`,
  );
}
