/**
 * What a thief of tokens, keys and codes gets, over HTTP, from servers that are killed and started again in processes of
 * their own: what was used, is over or was taken away stays so, and each refusal has its code.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hotp, stepAt } from '@countersign/broker/face/access/totp';
import { apiClient } from '@countersign/broker/face/client/api-client';
import { approvePerson, proposePerson, revokePerson } from '@countersign/broker/face/client/people';
import { openSession, type Session, signDeed } from '@countersign/broker/face/client/session';
import { loadPerson } from '@countersign/broker/keys/people';
import { enrolPersonArgs, objectDigest } from '@countersign/broker/ledger/contract/args';
import { publicKeyOf, type Signer, utf8 } from '@countersign/device-sdk/format';
import { newSigner } from '@countersign/simulator/attacks/server/ledger-world';
import test, { type ExecutionContext } from 'ava';
import { issueToken } from '../support/access-table.ts';
import { temporary } from '../support/command.ts';

const SCRIPT = fileURLToPath(new URL('../support/clocked-server.js', import.meta.url));
const START = 1_800_000_000;
const DAY = 86_400;
const TOKEN = randomBytes(32).toString('base64url');

/** One folder, and one process after another on it. */
class House {
  readonly data: string;
  url = '';
  #child: ChildProcess | undefined;

  constructor(data: string) {
    this.data = data;
  }

  /** Kills the server, in the middle of whatever it does, and starts it at another time. */
  async startAt(seconds: number): Promise<void> {
    await this.kill();
    const child = spawn(process.execPath, [SCRIPT, this.data, TOKEN, String(seconds)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    let text = '';
    for await (const part of child.stdout!.setEncoding('utf8')) {
      text += part;
      if (text.includes('\n')) break;
    }
    if (!text.includes('\n')) throw new Error('the server ended before it answered');
    this.url = text.trim();
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  session(token = TOKEN): Promise<Session> {
    return openSession(apiClient(this.url, token));
  }

  person(name: string): Promise<Signer> {
    return loadPerson(join(this.data, 'people'), name);
  }

  /** What a request is answered, as a stranger's own program would send it. */
  async send(statement: Uint8Array, token: string, code?: string): Promise<[status: number, code: string | undefined]> {
    const answer = await fetch(new URL('/api/v1/transactions', this.url), {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/octet-stream',
        ...(code !== undefined && { 'countersign-code': code }),
      },
      body: new Uint8Array(statement),
    });
    return [answer.status, ((await answer.json()) as { code?: string }).code];
  }

  async reads(token: string): Promise<[status: number, code: string | undefined]> {
    const answer = await fetch(new URL('/api/v1/people', this.url), { headers: { authorization: `Bearer ${token}` } });
    return [answer.status, ((await answer.json()) as { code?: string }).code];
  }
}

async function houseOf(t: ExecutionContext): Promise<House> {
  const house = new House(join(await temporary(t), 'all'));
  t.teardown(() => house.kill());
  await house.startAt(START);
  return house;
}

/** A statement that needs a second factor: a person is proposed. */
async function proposal(house: House, signer: Signer, name: string): Promise<Uint8Array> {
  const session = await house.session();
  const object = objectDigest(session.verifier.sha256, 'person', utf8(name));
  const args = enrolPersonArgs({ name, roles: ['auditor'], key: publicKeyOf(newSigner()) });
  return signDeed(session, signer, { action: 'enrol', object, args });
}

const OK: [number, undefined] = [200, undefined];
const refused = (status: number, code: string) => [status, code];

test('a code opens once: not again after a crash, in another process, or at any time that the clock is set to', async (t) => {
  t.timeout(600_000);
  const house = await houseOf(t);
  const operator = await house.person('operator');
  const { token } = await issueToken(await house.session(), 'operator');
  const { uri } = (await (await house.session()).api.post('/api/v1/people/operator/totp', {})) as { uri: string };
  const secret = fromBase32(new URL(uri).searchParams.get('secret')!);
  const codeAt = (seconds: number) => hotp(secret, stepAt(seconds));
  const bring = async (name: string, code: string | undefined, by = token) =>
    house.send(await proposal(house, operator, name), by, code);

  t.deepEqual(await bring('one', undefined), refused(401, 'BAD_FACTOR'), 'key and token alone');
  t.deepEqual(await bring('one', codeAt(START)), OK);
  await house.startAt(START);
  t.deepEqual(await bring('two', codeAt(START)), refused(401, 'FACTOR_USED'), 'after a SIGKILL, in another process');
  t.deepEqual(await bring('two', codeAt(START), TOKEN), refused(401, 'FACTOR_USED'), "with the folder's own token");
  t.deepEqual(await bring('two', codeAt(START - 30)), refused(401, 'FACTOR_USED'), 'the step before it, never used');
  t.deepEqual(await bring('two', codeAt(START + 30)), OK, 'a telephone that is half a minute ahead');

  await house.startAt(START - DAY);
  t.deepEqual(await bring('three', codeAt(START - DAY)), refused(401, 'FACTOR_USED'), 'the clock was turned back');
  t.deepEqual(await bring('three', codeAt(START)), refused(401, 'BAD_FACTOR'), 'the code of today is wrong there');

  await house.startAt(START + DAY);
  t.deepEqual(await bring('three', codeAt(START + 60)), refused(401, 'BAD_FACTOR'), 'the clock was turned far ahead');
  t.deepEqual(await bring('three', codeAt(START + DAY)), OK, 'who has the secret gets in');
  await house.startAt(START + 120);
  t.deepEqual(
    await bring('four', codeAt(START + 120)),
    refused(401, 'FACTOR_USED'),
    'and the clock was put right again',
  );
  const { api } = await house.session();
  const renewed = (await api.post('/api/v1/people/operator/totp', { renew: true })) as { uri: string };
  const next = fromBase32(new URL(renewed.uri).searchParams.get('secret')!);
  t.deepEqual(await bring('four', hotp(next, stepAt(START + 120))), OK, 'another secret begins anew');
});

test('wrong codes lock a person out, and a server that was killed remembers it', async (t) => {
  t.timeout(600_000);
  const house = await houseOf(t);
  const operator = await house.person('operator');
  const { uri } = (await (await house.session()).api.post('/api/v1/people/operator/totp', {})) as { uri: string };
  const secret = fromBase32(new URL(uri).searchParams.get('secret')!);
  const near = [-1, 0, 1].map((step) => hotp(secret, stepAt(START) + step));
  const wrong = ['000000', '000001', '000002', '000003'].find((code) => !near.includes(code))!;
  const statement = await proposal(house, operator, 'one');
  for (let i = 0; i < 5; i++) t.deepEqual(await house.send(statement, TOKEN, wrong), refused(401, 'BAD_FACTOR'));
  await house.startAt(START);
  t.deepEqual(await house.send(statement, TOKEN, near[1]), refused(429, 'LOCKED_OUT'));
});

test('a statement that is brought again, and a token that is over, open nothing, whichever process is asked', async (t) => {
  t.timeout(600_000);
  const house = await houseOf(t);
  const [operator, approver] = [await house.person('operator'), await house.person('approver')];
  const session = await house.session();
  const own = await issueToken(session, 'operator');
  const stolen = await issueToken(session, 'auditor-bot', { kind: 'machine', scopes: ['read'], days: 30 });
  const short = await issueToken(session, 'night-job', { kind: 'machine', scopes: ['read'], days: 1 });
  await proposePerson(session, operator, { name: 'leaver', roles: ['operator'], key: publicKeyOf(newSigner()) });
  await approvePerson(session, approver, 'leaver');
  const leaver = newSigner();
  await proposePerson(session, operator, { name: 'second', roles: ['operator'], key: publicKeyOf(leaver) });
  await approvePerson(session, approver, 'second');
  const left = await issueToken(session, 'second');

  const statement = await proposal(house, operator, 'one');
  const early = await proposal(house, leaver, 'two');
  t.deepEqual(await house.send(statement, own.token), OK);
  t.deepEqual(await house.send(statement, own.token), refused(409, 'DUPLICATE'), 'the same bytes again');
  await house.startAt(START);
  t.deepEqual(await house.send(statement, own.token), refused(409, 'DUPLICATE'), 'to another process');
  for (const { token } of [own, stolen, short, left]) t.deepEqual(await house.reads(token), OK, 'a good one lives on');

  const later = await house.session();
  await later.api.post(`/api/v1/tokens/${stolen.id}/revoke`, {});
  t.deepEqual(await house.reads(stolen.token), refused(401, 'UNAUTHORIZED'), 'revoked');
  await revokePerson(later, operator, 'second', 'gone');
  await approvePerson(later, approver, 'second');
  t.deepEqual(await house.reads(left.token), refused(401, 'UNAUTHORIZED'), 'its person was revoked');
  t.deepEqual(await house.send(early, left.token), refused(401, 'UNAUTHORIZED'));
  t.deepEqual(
    await house.send(early, TOKEN),
    refused(400, 'REVOKED'),
    "with the folder's own token: the key is over too",
  );

  await house.startAt(START - 400 * DAY);
  for (const { token } of [stolen, left])
    t.deepEqual(await house.reads(token), refused(401, 'UNAUTHORIZED'), 'after a restart, with the clock turned back');
  await house.startAt(START + DAY);
  t.deepEqual(await house.reads(short.token), refused(401, 'EXPIRED'));
  t.deepEqual(await house.reads(own.token), OK);
});

function fromBase32(text: string): Uint8Array {
  const bits = [...text]
    .map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0'))
    .join('');
  return Uint8Array.from(bits.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2)));
}
