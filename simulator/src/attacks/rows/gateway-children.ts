/** Row 43 from the other side: children that break the rules of a gateway's link, or claim what is another's. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Code } from '@countersign/device-sdk';
import { statementBytesMax } from '@countersign/device-sdk/format';
import {
  ASK_LOGIN,
  CONTENT_BYTES_MAX,
  encodeHello,
  encodeMessage,
  HELLO,
  LOGIN,
  type Message,
  MessageReader,
  PING,
  READY,
  REFUSAL,
  REPORT,
  REQUEST,
  STORED,
} from '@countersign/device-sdk/host/local/format';
import { Relay, type RelayOptions } from '@countersign/device-sdk/host/relay/relay';
import type { Found, Ground, Variant } from '../attack.ts';
import { verifier } from '../pocket/publisher.ts';
import { newDevice, nextReport } from '../server/ledger-world.ts';

const ID = new Uint8Array(16).fill(9);
const CLASS = new Uint8Array(16).fill(1);

const hello = (deviceId = ID, classId = CLASS) => encodeHello({ deviceId, classId, login: new Uint8Array(40) });
const HERE = encodeMessage(HELLO, hello());

interface Gateway {
  relay: Relay;
  url: URL;
  /** Codes with which it refused what a child brought, in order. */
  refused: Code[];
}

async function gateway(ground: Ground, options: Partial<RelayOptions> = {}): Promise<Gateway> {
  const folder = await ground.folder();
  const refused: Code[] = [];
  const on: RelayOptions['on'] = (event) => {
    if (event.kind === 'refused') refused.push(event.code);
  };
  const relay = new Relay({ folder, listen: 'tcp://127.0.0.1:0', verifier, on, ...options });
  ground.after(() => relay.close());
  return { relay, url: new URL(await relay.listen()), refused };
}

/** Says raw bytes, and hears whole messages. */
class Child {
  readonly #socket;
  readonly #heard: Message[] = [];
  #wake = (): void => undefined;
  #gone = false;

  private constructor(url: URL) {
    this.#socket = connect(Number(url.port), url.hostname);
    const reader = new MessageReader();
    this.#socket.on('error', () => undefined);
    this.#socket.on('data', (chunk) => {
      this.#heard.push(...reader.take(chunk));
      this.#wake();
    });
    this.#socket.on('close', () => {
      this.#gone = true;
      this.#wake();
    });
  }

  static async to(ground: Ground, { url }: Gateway): Promise<Child> {
    const child = new Child(url);
    ground.after(() => child.#socket.destroy());
    await once(child.#socket, 'connect');
    return child;
  }

  say(...messages: Uint8Array[]): void {
    this.#socket.write(Buffer.concat(messages));
  }

  /** The next message of one of these kinds; undefined where the connection ends before. */
  async hears(...kinds: number[]): Promise<Message | undefined> {
    for (;;) {
      const at = this.#heard.findIndex(({ kind }) => kinds.includes(kind));
      if (at >= 0) return this.#heard.splice(at, 1)[0];
      if (this.#gone) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Whoever was not sent away is answered. */
  async sentAway(): Promise<Code | undefined> {
    this.say(encodeMessage(PING));
    const answer = await this.hears(REFUSAL, PING);
    return answer?.kind === REFUSAL ? (new TextDecoder().decode(answer.content) as Code) : undefined;
  }
}

async function served(ground: Ground, gateway: Gateway): Promise<string | undefined> {
  const other = await Child.to(ground, gateway);
  other.say(encodeMessage(HELLO, hello(new Uint8Array(16).fill(7))));
  return (await other.hears(READY)) ? undefined : 'another child is not served';
}

/** It is told a code and sent away, and another child is served. */
function breaking(what: string, expect: Code, ...messages: Uint8Array[]): Variant {
  return {
    how: `is a child that ${what}`,
    expect,
    async run(ground) {
      const to = await gateway(ground);
      const child = await Child.to(ground, to);
      child.say(...messages);
      const code = await child.sentAway();
      if (!code) return { harm: 'it was listened to', codes: [] };
      return { harm: await served(ground, to), codes: [code] };
    },
  };
}

/** Brings a report that another device has signed. */
async function foreignReport(ground: Ground): Promise<Found> {
  const to = await gateway(ground);
  const child = await Child.to(ground, to);
  child.say(HERE, encodeMessage(REPORT, await nextReport(newDevice())), encodeMessage(PING));
  const answer = await child.hears(STORED, PING);
  const { reportsWaiting } = to.relay.counts();
  const kept = answer?.kind !== PING || reportsWaiting > 0 ? 'the report was kept' : undefined;
  return { harm: kept ?? (await served(ground, to)), codes: to.refused };
}

/** The server has taken the login of a child, so that its place is its own: another class claims its id. */
async function claimed(ground: Ground): Promise<Found> {
  const nothing = async () => undefined;
  const to = await gateway(ground, {
    link: () => ({
      open: (events, login) => void login().then(() => events.up(), nothing),
      ...{ request: nothing, report: nothing, close: nothing },
    }),
  });
  const child = await Child.to(ground, to);
  child.say(HERE);
  await child.hears(ASK_LOGIN);
  const thief = await Child.to(ground, to);
  thief.say(encodeMessage(HELLO, hello(ID, new Uint8Array(16).fill(2))));
  const code = await thief.sentAway();
  const lost = await child.sentAway();
  if (lost) return { harm: `the child was sent away: ${lost}`, codes: [lost] };
  return { harm: code ? await served(ground, to) : 'the id has two places', codes: code ? [code] : [] };
}

/** More connections than a gateway has places. */
async function crowding(ground: Ground): Promise<Found> {
  const to = await gateway(ground, { limits: { children: 1 } });
  const child = await Child.to(ground, to);
  child.say(HERE);
  await child.hears(READY);
  const code = await (await Child.to(ground, to)).sentAway();
  const lost = await child.sentAway();
  return { harm: lost && `the child was sent away: ${lost}`, codes: code ? [code] : [] };
}

export const hostileChildRows: Variant[] = [
  breaking('asks before it has said who it is', 'MALFORMED', encodeMessage(REQUEST, hello())),
  breaking('says hello twice', 'MALFORMED', HERE, HERE),
  breaking('says what a gateway says', 'MALFORMED', HERE, encodeMessage(STORED, new Uint8Array(32))),
  breaking('says what is no kind of message', 'MALFORMED', encodeMessage(99)),
  breaking('brings no hello but bytes', 'MALFORMED', encodeMessage(HELLO, new Uint8Array(5))),
  breaking('promises a message without end', 'TOO_LARGE', Uint8Array.of(0x7f, 0, 0, 0, HELLO)),
  breaking('says a hello that is too long', 'TOO_LARGE', encodeMessage(HELLO, new Uint8Array(CONTENT_BYTES_MAX))),
  breaking(
    'brings a login that is too long',
    'TOO_LARGE',
    HERE,
    encodeMessage(LOGIN, new Uint8Array(statementBytesMax('login') + 1)),
  ),
  { how: 'is a child that brings another device’s report', expect: 'BAD_STATEMENT', run: foreignReport },
  { how: 'is a child that claims another’s id for another class', expect: 'BUSY', run: claimed },
  { how: 'is near, and takes a place that there is not', expect: 'BUSY', run: crowding },
];
