/**
 * What each value that has no business in its place is refused with, in order: one letter each. They were written down
 * from the SDK and read against FORMAT; when a format changes, the row says which letters there are now.
 */
const LETTERS: Readonly<Record<string, string>> = {
  M: 'MALFORMED',
  L: 'TOO_LARGE',
  U: 'UNSUPPORTED',
  T: 'WRONG_TYPE',
  S: 'BAD_SIGNATURE',
  K: 'UNKNOWN_KEY',
  R: 'NO_RECEIPT',
  H: 'BAD_HEAD',
  C: 'BAD_CHAIN',
  N: 'NOT_CURRENT',
  O: 'OLD_ROOT',
  V: 'SPLIT_VIEW',
  B: 'ROLLBACK',
  E: 'WRONG_VENDOR',
  W: 'WRONG_CLASS',
  P: 'NOT_OPEN',
  I: 'NOT_IN_COHORT',
  A: 'BAD_ROOT',
  D: 'STALE',
  X: 'BAD_STATEMENT',
  Q: 'NOT_PERMITTED',
  F: 'NOT_FOUND',
  Y: 'EXISTS',
  Z: 'CONFLICT',
  J: 'BAD_COUNTER',
  0: 'BAD_PROVISION',
  G: 'NOT_APPROVED',
  // What was exchanged means something else now, and may: a reason, a name, a limit within its bounds.
  '+': 'TAKEN',
  // Nothing is said, and nothing changes: an answer that nobody waits for, a command for another device.
  '-': '',
};

/** A number behind a letter says how often it stands there. */
export const TWIST_CODES: Readonly<Record<string, string>> = {
  announcement: 'M3U4M19NM3RM3RM15',
  envelope: 'M20',
  wrapper: 'M20',
  'block 1': 'M12SSM30',
  'block 2': 'M12SSM20SM25',
  manifest: 'MMU6MNM95U4M111LM25U4M213',
  receipt: 'M12RRM9T4MU4M11RM8RM3AM15LM5R4MRMMRMMLM15RM20',
  rollout: 'M12SSM9T4M5SSMSMS68M16NM21IM7U4M6IM21',
  answers: 'M8UM21UM6--M-M11UMM-M8-M11UMM-M3--M-M-M11UMM-M3--M-M-M11UMM--M-M11UM5-M10-M3-MM-M8-M5',
  commands: 'M9-M17-M9',
  'trust root':
    'M4AM17AMMAM3UUM3UUM10AM35AMMAM3UUM3UUM10AM16AMMAM3UUM3UUM10AM16AMMAM3UUM3UUM10AM16AMMAM3UUM3UUM10AM16AMMAM3UUM3UUM10AM16AMMAM3UUM3UUM10AM9+MM+3MM++MM++M+M7+M14+MMAM10+M4+M+MMAM10+M4+M3',
  'provisioning record': 'M3U4M14+M13+M3+M29+M28',
  'an enrolment of a person': 'M11XMMXM4XM4UUM3UUM9+MM',
  'an enrolment of devices': 'M12LMMXM12UUM3UUM9+MMLM3',
  'a product': 'M4XM25',
  'a revocation of a device': 'M13+M4',
  'a rejection': 'M4+M4',
  'a plan of a rollout': 'M25XMMXM4UUM8XM10+M8XMMXM4UUM9XM10+M8XMMXM4UUM8XM10+M4+M6+MMXM21',
  'a pause of a rollout': 'M13+M4',
  'a rollout statement': 'M9JM21XM7U4M6XM6XMMXM21',
  'a report': 'M9JM3JM8+M49+M78+M3',
  'a download': 'M4XM8',
  requests: 'M8UM25UM3+M3+M12UM21UM3+M12UM17UM4L',
};

/** What is said otherwise than in the table, in words; undefined where all is as it must be. */
export function differs(place: string, said: readonly (string | undefined)[]): string | undefined {
  const letters = said.map((code) => Object.keys(LETTERS).find((key) => LETTERS[key] === (code ?? '')) ?? `(${code})`);
  const found = letters.join('').replace(/(.)\1{2,}/g, (run) => `${run[0]}${run.length}`);
  const expected = TWIST_CODES[place] ?? '';
  return found === expected ? undefined : `${place} is refused with '${found}', expected '${expected}'`;
}
