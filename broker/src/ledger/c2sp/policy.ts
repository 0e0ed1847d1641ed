/** Which logs and witnesses an auditor believes (c2sp.org/tlog-policy): a text of lines, read from top to bottom. */
import { demand, type Verifier } from '@countersign/device-sdk';
import { hex } from '@countersign/device-sdk/format';
import { COSIGNATURE_V1, type NoteKey, readVkey } from './vkey.ts';

/** Readers should take 32 logs, 32 witnesses and 32 groups; each of these is room for all of them and more. */
const LINES_MAX = 1024;
const POLICY_BYTES_MAX = 256 * 1024;

export interface Policy {
  logs: { key: NoteKey; url: string | undefined }[];
  witnesses: { name: string; key: NoteKey; url: string | undefined }[];
  /** @param signed names of witnesses, as the policy names them */
  satisfiedBy(signed: ReadonlySet<string>): boolean;
}

type Rule = (signed: ReadonlySet<string>) => boolean;

/**
 * Names are compared byte by byte: the file is read as Latin-1 and so are they. Names inside vkeys, which are UTF-8 in
 * notes, are given back as such.
 * @throws Refusal MALFORMED, TOO_LARGE, UNSUPPORTED (a key of another type), BAD_KEY
 */
export function readPolicy(verifier: Verifier, bytes: Uint8Array): Policy {
  demand(bytes.length <= POLICY_BYTES_MAX, 'TOO_LARGE', `a policy of ${bytes.length} bytes`);
  const text = Buffer.from(bytes).toString('latin1');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones that a policy must not hold
  demand(!/[\u0000-\u0008\u000b-\u001f\u007f]/.test(text), 'MALFORMED', 'a policy with a control character');
  demand(text === '' || text.endsWith('\n'), 'MALFORMED', 'the last line of a policy has no end');
  const lines = text.split('\n');
  demand(lines.length <= LINES_MAX, 'TOO_LARGE', `a policy of ${lines.length} lines`);
  const reader = new PolicyReader(verifier);
  for (const line of lines) {
    const words = line.split(/[ \t]+/).filter((word) => word !== '');
    if (words.length > 0 && !words[0]!.startsWith('#')) reader.line(words as [string, ...string[]]);
  }
  return reader.policy();
}

class PolicyReader {
  readonly #verifier: Verifier;
  readonly #logs: Policy['logs'] = [];
  readonly #witnesses: Policy['witnesses'] = [];
  /** Witnesses and groups so far. */
  readonly #rules = new Map<string, Rule>();
  /** Members of groups: whoever is in two could count twice. */
  readonly #members = new Set<string>();
  #quorum: Rule | undefined;

  constructor(verifier: Verifier) {
    this.#verifier = verifier;
  }

  line([keyword, ...words]: [string, ...string[]]): void {
    if (keyword === 'log') this.#log(words);
    else if (keyword === 'witness') this.#witness(words);
    else if (keyword === 'group') this.#group(words);
    else {
      demand(keyword === 'quorum' && words.length === 1, 'MALFORMED', `a policy has no line ${keyword.slice(0, 32)}`);
      demand(this.#quorum === undefined, 'MALFORMED', 'a policy has one quorum line');
      this.#quorum = words[0] === 'none' ? () => true : this.#rule(words[0]!);
    }
  }

  policy(): Policy {
    const quorum = this.#quorum;
    demand(quorum, 'MALFORMED', 'a policy without a quorum line');
    return { logs: this.#logs, witnesses: this.#witnesses, satisfiedBy: quorum };
  }

  #log(words: string[]): void {
    const [vkey = '', url] = words;
    demand(vkey !== '' && words.length <= 2, 'MALFORMED', 'a line is: log VKEY [URL]');
    const key = this.#key(vkey, this.#logs);
    demand(key.type !== COSIGNATURE_V1, 'UNSUPPORTED', 'the key of a log signs no cosignatures');
    this.#logs.push({ key, url });
  }

  #witness(words: string[]): void {
    const [name = '', vkey = '', url] = words;
    demand(vkey !== '' && words.length <= 3, 'MALFORMED', 'a line is: witness NAME VKEY [URL]');
    const key = this.#key(vkey, this.#witnesses);
    demand(key.type === COSIGNATURE_V1, 'UNSUPPORTED', 'the key of a witness signs cosignatures');
    this.#define(name, (signed) => signed.has(name));
    this.#witnesses.push({ name, key, url });
  }

  #group([name = '', count = '', ...members]: string[]): void {
    const most = members.length;
    const least = count === 'any' ? 1 : count === 'all' ? most : /^[1-9][0-9]{0,3}$/.test(count) ? Number(count) : 0;
    demand(least >= 1 && least <= most, 'MALFORMED', 'a line is: group NAME K|any|all MEMBER…, K of them at most all');
    const rules = members.map((member) => {
      demand(!this.#members.has(member), 'MALFORMED', `${member.slice(0, 64)} is a member twice`);
      this.#members.add(member);
      return this.#rule(member);
    });
    this.#define(name, (signed) => rules.filter((rule) => rule(signed)).length >= least);
  }

  #define(name: string, rule: Rule): void {
    const free = name !== 'none' && !this.#rules.has(name);
    demand(free, 'MALFORMED', `the name ${name.slice(0, 64)} is taken`);
    this.#rules.set(name, rule);
  }

  #rule(name: string): Rule {
    const rule = this.#rules.get(name);
    demand(rule, 'MALFORMED', `no line before says what ${name.slice(0, 64)} is`);
    return rule;
  }

  #key(word: string, others: readonly { key: NoteKey }[]): NoteKey {
    const key = readVkey(this.#verifier, Buffer.from(word, 'latin1').toString());
    const known = others.some((other) => hex(other.key.key.bytes) === hex(key.key.bytes));
    demand(!known, 'MALFORMED', `the key of ${key.name} stands in two lines`);
    return key;
  }
}
