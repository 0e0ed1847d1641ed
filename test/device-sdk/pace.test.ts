/** How often a device asks after something went wrong, by what went wrong. */
import { ANNOUNCE, type Answer, FRAMES, REFUSED, readRequest } from '@countersign/device-sdk/format';
import test from 'ava';
import { changed, image, lying, pass } from '../support/hostile.ts';
import { PocketServer } from '../support/pocket.ts';
import { PocketDevice } from '../support/pocket-device.ts';

const HOUR = 3_600_000;

/** Times, in seconds of the device, at which it asked for its announcement while frames were answered with `refusal`. */
async function asks(refusal: Pick<Answer & { kind: typeof REFUSED }, 'code' | 'retrySeconds'>, hours = 3) {
  const server = await PocketServer.create('M');
  const first = await server.publish(image(3));
  const device = new PocketDevice(server, first);
  await server.publish(changed(first.image, 5), { bases: [first] });
  const times: number[] = [];
  const lies = lying(server, (answer) =>
    answer.kind === FRAMES ? { id: answer.id, kind: REFUSED, ...refusal } : answer,
  );
  const answers = server.answers.bind(server);
  server.answers = async (bytes) => {
    if (readRequest(bytes).kind === ANNOUNCE) times.push(Math.round(device.time.now / 1000));
    return answers(bytes);
  };
  await device.start();
  await pass(device, hours * HOUR);
  return { times, device, lies };
}

test('what may pass soon is asked again soon, ever more rarely, and taken when it has passed', async (t) => {
  const { times, device, lies } = await asks({ code: 'UNREACHABLE', retrySeconds: 0 });
  const gaps = times.slice(1).map((at, i) => at - times[i]!);
  t.true(gaps[0]! <= 8, `${gaps}`);
  t.true(
    gaps.slice(0, 6).every((gap, i) => i === 0 || gap > gaps[i - 1]!),
    `${gaps}`,
  );
  t.true(Math.max(...gaps) <= 1.25 * 15 * 60, 'never more rarely than every quarter of an hour and a quarter of that');
  t.true(times.length > 12 && times.length < 40, `${times.length} questions in three hours`);
  lies.on = false;
  await pass(device, HOUR / 2);
  t.true(device.board.boot.restartRequested, 'the release is in its slot, and wants to be tried');
});

test('what nobody but the server can change is asked again at the regular interval alone', async (t) => {
  const { times, device, lies } = await asks({ code: 'NOT_OPEN', retrySeconds: 0 });
  t.true(times.length <= 5, `${times.length} questions in three hours`);
  lies.on = false;
  await pass(device, 2 * HOUR);
  t.true(device.board.boot.restartRequested, 'the release is in its slot, and wants to be tried');
});

test('a server that asks for time gets it, up to the regular interval', async (t) => {
  const { times } = await asks({ code: 'BUSY', retrySeconds: 1200 });
  const gaps = times.slice(1).map((at, i) => at - times[i]!);
  t.true(
    gaps.every((gap) => gap >= 0.75 * 1200),
    `${gaps}`,
  );
  const long = await asks({ code: 'BUSY', retrySeconds: 86_400 });
  t.true(long.times.length >= 3, 'and not a day, because nobody has signed it');
});
