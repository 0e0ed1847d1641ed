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

test('a way that brings junk is left at the first word of it, and each way back takes longer', async (t) => {
  const { mqtt, http, told, link, pass, time } = world();
  mqtt.events!.up();
  const waits: number[] = [];
  for (let round = 1; round <= 6; round++) {
    await link.request(new Uint8Array());
    mqtt.events!.answer(new Uint8Array());
    told.length = 0;
    link.distrust!();
    t.deepEqual(told, ['down', 'mqtt → http: junk']);
    t.is(mqtt.closed, round);
    mqtt.events!.announcement(new Uint8Array());
    t.is(told.length, 2, 'what it still says is not heard');
    http.events!.up();
    const before = time.now;
    while (mqtt.made === round) pass(1_000);
    waits.push(time.now - before);
    mqtt.events!.up();
    t.is(told.at(-2), 'http → mqtt: better');
  }
  for (let i = 1; i < 3; i++) t.true(waits[i]! > 1.9 * waits[i - 1]!, waits.join(' '));
  t.true(waits[0]! > 300_000 && waits.at(-1)! <= 3_601_000, 'it is tried again each hour, whatever it did');
  await link.close();
});

test('an hour of true answers is no pardon, and two hours without junk are', async (t) => {
  const wait = (between: number) => {
    const { mqtt, http, link, pass, time } = world();
    mqtt.events!.up();
    for (let round = 1; round <= 2; round++) {
      link.distrust!();
      http.events!.up();
      if (round === 2) break;
      while (mqtt.made === round) pass(1_000);
      mqtt.events!.up();
      pass(between);
    }
    const before = time.now;
    while (mqtt.made === 2) pass(1_000);
    return time.now - before;
  };
  t.true(wait(3_600_000) > 1_100_000);
  t.true(wait(7_200_000) < 700_000);
});

test('where every way brings junk they are tried in turn, each round later, and none is left for good', async (t) => {
  const { mqtt, http, told, link, pass, time } = world();
  const waits: number[] = [];
  for (let round = 1; round <= 12; round++) {
    mqtt.events!.up();
    pass(6_000);
    link.distrust!();
    t.is(http.made, round);
    link.distrust!();
    t.is(http.closed, round - 1, 'a word about a way that is not up yet is about the one before');
    http.events!.up();
    pass(6_000);
    link.distrust!();
    t.is(told.at(-1), 'http → mqtt: junk');
    const before = time.now;
    while (mqtt.made === round) pass(100);
    waits.push(time.now - before);
  }
  for (let i = 1; i < 7; i++) t.true(waits[i]! > 1.9 * waits[i - 1]!, waits.join(' '));
  t.true(waits.at(-1)! <= 300_100, waits.join(' '));
  await link.close();
  const made = mqtt.made;
  link.distrust!();
  pass(100_000_000);
  t.is(mqtt.made + http.made, made + 12, 'a link that was closed stays closed');
});

test('a link of one way has no other to go to, and says so by leaving the word out', (t) => {
  const only = new FakeWay('mqtt');
  t.is(fallbackLink({ ways: [only] }).distrust, undefined);
});
