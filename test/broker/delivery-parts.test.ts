import { DEFAULT_LIMITS, withDefaults } from '@countersign/broker/distribution/delivery/limits';
import { Strangers } from '@countersign/broker/distribution/delivery/strangers';
import { Throttle } from '@countersign/broker/distribution/delivery/throttle';
import { codeOf } from '@countersign/device-sdk';
import { PacketScanner } from '@countersign/device-sdk/host/mqtt-scan';
import { lost, Reconnecting, type Wire, type WireEvents } from '@countersign/device-sdk/host/wire';
import test from 'ava';
import { array, check, constantFrom, integer, property, uint8Array } from 'fast-check';
import { generate, type Packet } from 'mqtt-packet';

test('the scanner counts the packets of a stream, however it is cut', (t) => {
  const packet = constantFrom<Packet>(
    { cmd: 'pingreq' },
    { cmd: 'puback', messageId: 7 },
    { cmd: 'publish', topic: 'a', payload: Buffer.alloc(100), qos: 0, dup: false, retain: false },
    { cmd: 'publish', topic: 'a', payload: Buffer.alloc(20_000), qos: 0, dup: false, retain: false },
  );
  const cutsAndPackets = property(
    array(packet, { maxLength: 12 }),
    array(integer({ min: 1, max: 9_000 })),
    (packets, cuts) => {
      const stream = Buffer.concat(packets.map((p) => generate(p)));
      const scanner = new PacketScanner(30_000);
      let at = 0;
      for (const cut of [...cuts, stream.length]) {
        scanner.take(stream.subarray(at, at + cut));
        at += cut;
      }
      return scanner.packets === packets.length;
    },
  );
  t.false(check(cutsAndPackets, { numRuns: 200 }).failed);
});

test('the scanner refuses a length at its limit by one, one of five digits, and answers any bytes', (t) => {
  const take = (bytesMax: number, ...bytes: number[]) => {
    try {
      new PacketScanner(bytesMax).take(Uint8Array.from(bytes));
      return 'OK';
    } catch (error) {
      return codeOf(error);
    }
  };
  t.is(take(102, 0x30, 100), 'OK');
  t.is(take(101, 0x30, 100), 'TOO_LARGE');
  t.is(take(131, 0x30, 0x80, 0x01), 'OK');
  t.is(take(130, 0x30, 0x80, 0x01), 'TOO_LARGE');
  t.is(take(1_000, 0x30, 0xff, 0xff, 0xff, 0xff), 'MALFORMED');
  t.is(take(1_000, 0x30, 0xff, 0xff, 0xff, 0x7f), 'TOO_LARGE');
  const anyBytes = property(uint8Array({ maxLength: 300 }), (bytes) =>
    ['OK', 'MALFORMED', 'TOO_LARGE'].includes(take(5_000, ...bytes)),
  );
  t.false(check(anyBytes, { numRuns: 500 }).failed);
});

test('the throttle lets the burst pass, then the rate, and tells the debt', (t) => {
  const rates = { packetsPerSecond: 10, packetsBurst: 20, bytesPerSecond: 1_000, bytesBurst: 2_000 };
  const throttle = new Throttle(rates, 0);
  t.is(throttle.take(20, 100, 0), 0);
  t.is(throttle.take(5, 100, 0), 500);
  t.is(throttle.take(0, 0, 500), 0);
  t.is(throttle.take(0, 6_000, 500), 4_000);
  t.is(throttle.take(0, 0, 1_000_000), 0);
  t.is(throttle.take(20, 2_000, 1_000_000), 0, 'a long rest fills the burst and no more');
  t.is(throttle.take(1, 0, 1_000_000), 100);
  t.is(throttle.take(0, 0, 999_000), 100, 'a clock that goes back gives nothing');
});

test('strangers are counted by address and in all, and each place is given back once', (t) => {
  const strangers = new Strangers({ strangers: 3, strangersPerAddress: 2 });
  const a = strangers.enter('a');
  t.truthy(strangers.enter('a'));
  t.is(strangers.enter('a'), undefined);
  t.truthy(strangers.enter('b'));
  t.is(strangers.enter('c'), undefined);
  a?.();
  a?.();
  t.truthy(strangers.enter('c'));
  t.is(strangers.enter('c'), undefined);
});

test('a limit that is no positive whole number is a mistake', (t) => {
  t.deepEqual(withDefaults(), DEFAULT_LIMITS);
  t.is(withDefaults({ drainMs: 5 }).drainMs, 5);
  for (const drainMs of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => withDefaults({ drainMs }), { instanceOf: RangeError });
  }
});

/** A clock of waits: each is recorded, and happens when the test says so. */
function fakeTimer() {
  const waits: { ms: number; call: () => void }[] = [];
  return {
    waits,
    after(ms: number, call: () => void) {
      const wait = { ms, call };
      waits.push(wait);
      return () => void waits.splice(waits.indexOf(wait) >>> 0, 1);
    },
  };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('waits double from half a second to a minute, drawn from their upper half, and begin anew after a stable time', async (t) => {
  const timer = fakeTimer();
  const told: string[] = [];
  let events: WireEvents | undefined;
  let answer: 'refuse' | 'accept' = 'refuse';
  let draw = 0;
  const wire: Wire = { publish: async () => undefined, close: () => events?.closed() };
  const connection = new Reconnecting({
    timer,
    entropy: { random: () => Uint8Array.of(draw, draw) },
    dial: async (e) => {
      events = e;
      if (answer === 'refuse') throw lost();
      return wire;
    },
    up: () => void told.push('up'),
    down: () => void told.push('down'),
    message: (topic) => void told.push(topic),
    trouble: () => void told.push('trouble'),
  });
  const fire = async () => {
    const wait = timer.waits.shift()!;
    wait.call();
    await turn();
    return wait.ms;
  };
  connection.open();
  t.throws(() => connection.open(), { instanceOf: TypeError });
  await turn();
  const waits: number[] = [];
  for (let i = 0; i < 9; i++) waits.push(await fire());
  t.deepEqual(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  draw = 255;
  await fire();
  const longest = await fire();
  t.true(longest > 59_000 && longest < 60_000, `${longest}`);

  draw = 0;
  answer = 'accept';
  await fire();
  t.is(connection.wire, wire);
  // It breaks at once: that is one more failure, not a success.
  events!.closed();
  t.is(await fire(), 30_000);
  t.is(timer.waits[0]?.ms, 5_000, 'the stable time');
  await fire();
  events!.closed();
  t.is(await fire(), 250);
  told.length = 0;
  connection.close();
  t.deepEqual(told, ['down']);
  t.deepEqual(timer.waits, []);
  t.is(connection.wire, undefined);
});

test('a connection that is made after the close is closed, and one that ended before it was given out is tried again', async (t) => {
  const timer = fakeTimer();
  let finish: (wire: Wire) => void = () => undefined;
  let events: WireEvents | undefined;
  let closes = 0;
  const wire: Wire = { publish: async () => undefined, close: () => void closes++ };
  const connection = new Reconnecting({
    timer,
    entropy: { random: () => new Uint8Array(2) },
    dial: (e) => {
      events = e;
      return new Promise((resolve) => {
        finish = resolve;
      });
    },
    up: () => t.fail(),
    down: () => t.fail(),
    message: () => t.fail(),
  });
  connection.open();
  finish(wire);
  events!.closed();
  await turn();
  t.is(timer.waits.length, 1);
  timer.waits.shift()!.call();
  connection.close();
  events!.message('late', new Uint8Array());
  finish(wire);
  await turn();
  t.is(closes, 1);
  t.deepEqual(timer.waits, []);
});
