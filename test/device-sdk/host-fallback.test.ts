/** Several ways to the server, under a clock that moves only when it is told to. */
import { type Link, type LinkEvents, Refusal } from '@countersign/device-sdk';
import { type FallbackLimits, fallbackLink } from '@countersign/device-sdk/host/fallback';
import test from 'ava';
import { PocketTime } from '../support/pocket.ts';

/** A way whose connections the test makes and breaks. */
class FakeWay {
  events: LinkEvents | undefined;
  trouble: (error: unknown) => void = () => undefined;
  made = 0;
  closed = 0;
  asked = 0;
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
  make = (trouble: (error: unknown) => void): Link => {
    this.made++;
    this.trouble = trouble;
    return {
      open: (events) => {
        this.events = events;
      },
      request: async () => void this.asked++,
      report: async () => undefined,
      close: async () => void this.closed++,
    };
  };
}

function world(limits: Partial<FallbackLimits> = {}) {
  const time = new PocketTime();
  const [mqtt, http] = [new FakeWay('mqtt'), new FakeWay('http')];
  const told: string[] = [];
  const link = fallbackLink({
    ways: [mqtt, http],
    timer: time,
    entropy: { random: (bytes) => new Uint8Array(bytes).fill(255) },
    limits,
    on: ({ from, to, why }) => told.push(`${from} → ${to}: ${why}`),
  });
  const heard = (what: string) => () => void told.push(what);
  link.open(
    {
      up: heard('up'),
      down: heard('down'),
      announcement: heard('announcement'),
      answer: heard('answer'),
      command: heard('command'),
    },
    async () => new Uint8Array(),
  );
  const pass = (ms: number) => {
    const end = time.now + ms;
    while (time.step(end - time.now));
    time.now = end;
  };
  return { time, mqtt, http, told, link, pass };
}

const lost = new Refusal('LINK_LOST', 'nobody there');
const refused = new Refusal('UNAUTHORIZED', 'not you');

test('the first way that works is kept, and nothing is told twice', async (t) => {
  const { mqtt, http, told, link } = world();
  mqtt.events!.up();
  mqtt.events!.announcement(new Uint8Array());
  await link.request(new Uint8Array());
  mqtt.events!.answer(new Uint8Array());
  t.deepEqual(told, ['up', 'announcement', 'answer']);
  t.is(http.made, 0);
  t.is(mqtt.asked, 1);
});

test('three lost connections or one refused login are enough', (t) => {
  const first = world();
  for (let i = 0; i < 2; i++) first.mqtt.trouble(lost);
  t.is(first.http.made, 0);
  first.mqtt.trouble(lost);
  t.is(first.http.made, 1);
  t.is(first.mqtt.closed, 1);
  t.deepEqual(first.told, ['mqtt → http: lost']);
  const second = world();
  second.mqtt.trouble(refused);
  t.deepEqual(second.told, ['mqtt → http: refused']);
});

test('a way that hangs, flaps or brings no answers is left', async (t) => {
  const late = world();
  late.pass(30_000);
  t.deepEqual(late.told, ['mqtt → http: late']);

  const flapping = world();
  for (let i = 0; i < 3; i++) {
    flapping.mqtt.events!.up();
    flapping.mqtt.events!.down();
  }
  t.is(flapping.told.at(-1), 'mqtt → http: flapping');

  const silent = world();
  silent.mqtt.events!.up();
  await silent.link.request(new Uint8Array());
  silent.pass(29_000);
  t.deepEqual(silent.told, ['up']);
  silent.pass(1_000);
  t.deepEqual(silent.told, ['up', 'down', 'mqtt → http: silent']);
  await t.throwsAsync(silent.link.request(new Uint8Array()), { instanceOf: Refusal, code: 'LINK_LOST' });
});

test('what an abandoned way still says is not heard', (t) => {
  const { mqtt, http, told } = world();
  const former = mqtt.events!;
  mqtt.trouble(refused);
  former.up();
  former.announcement(new Uint8Array());
  mqtt.trouble(lost);
  t.deepEqual(told, ['mqtt → http: refused']);
  http.events!.up();
  t.deepEqual(told, ['mqtt → http: refused', 'up']);
});

test('where no way works the rounds become longer', (t) => {
  const { mqtt, http, pass, time } = world();
  const waits: number[] = [];
  for (let round = 0; round < 6; round++) {
    mqtt.trouble(refused);
    http.trouble(refused);
    const before = time.now;
    const made = mqtt.made;
    while (mqtt.made === made) pass(100);
    waits.push(time.now - before);
  }
  for (let i = 1; i < waits.length; i++) t.true(waits[i]! > 1.8 * waits[i - 1]!, waits.join(' '));
});

test('it goes back to the better way when that works, and not in the middle of a fetch', async (t) => {
  const { mqtt, http, told, link, pass } = world();
  mqtt.trouble(refused);
  http.events!.up();
  pass(295_000);
  await link.request(new Uint8Array());
  http.events!.answer(new Uint8Array());
  pass(6_000);
  t.is(mqtt.made, 1, 'something was just asked');
  pass(10_000);
  t.is(mqtt.made, 2);
  t.is(http.closed, 0, 'the way in use stays until the better one is up');
  mqtt.trouble(lost);
  mqtt.trouble(lost);
  mqtt.trouble(lost);
  t.is(mqtt.closed, 2);
  pass(500_000);
  t.is(mqtt.made, 2, 'it waits twice as long');
  while (mqtt.made < 3) pass(1_000);
  told.length = 0;
  mqtt.events!.up();
  mqtt.events!.announcement(new Uint8Array());
  t.deepEqual(told, ['down', 'http → mqtt: better', 'up', 'announcement']);
  t.is(http.closed, 1);
  await link.request(new Uint8Array());
  t.is(mqtt.asked, 1);
  await link.close();
  pass(10_000_000);
  t.is(mqtt.made, 3);
});
