/** What the encoder tells while it works, and the bar that shows it on a terminal alone. */
import { makeDelta, makeDeltaInWorker, type ProgressTold } from '@countersign/broker/delta/index';
import { bar } from '@countersign/broker/face/cli/bar';
import test from 'ava';
import { programs } from '../support/code.ts';

const { old, fresh } = programs('thumb', 60, 8);

test('every candidate is told once, and the last one is the whole of them', async (t) => {
  const told: ProgressTold[] = [];
  const made = await makeDeltaInWorker(old, fresh, { class: 'M', checkpointBytes: 0 }, (each) => told.push(each));
  t.deepEqual(made.delta, makeDelta(old, fresh, { class: 'M', checkpointBytes: 0 }).delta);
  const last = told.at(-1)!;
  t.is(last.done, last.total);
  t.true(last.total >= made.info.candidates);
  for (const [i, { done, total }] of told.entries()) {
    t.true(done <= total);
    t.true(i === 0 || (done >= told[i - 1]!.done && done <= told[i - 1]!.done + 1));
  }
  t.is(new Set(told.map(({ done }) => done)).size, last.total + 1, 'before the first one, and after each');
  t.true(told.some(({ what }) => what.includes('thumb')));
});

test('a bar is drawn on a terminal, within its width, and wiped at the end; elsewhere nothing', (t) => {
  const written: string[] = [];
  const stream = { isTTY: true, columns: 40, write: (text: string) => written.push(text) > 0 };
  const shown = bar(stream);
  shown.update(3, 6, 'a long word about what is being done now');
  t.is(written.join('').replace('\r\x1b[K', ''), '[############------------] 3/6 a long w');
  shown.clear();
  t.is(written.at(-1), '\r\x1b[K');
  const silent = bar({ ...stream, isTTY: false });
  silent.update(1, 2, 'x');
  silent.clear();
  t.is(written.length, 2);
});
