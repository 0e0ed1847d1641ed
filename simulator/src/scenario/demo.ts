/**
 * The demo: the publisher's side and a fleet as processes of their own, the life of three releases, an attack of every
 * kind, and an audit. Every result is what happened; nothing is printed that was not observed.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { stages } from '../report/stages.ts';
import { startBroker } from './broker-process.ts';
import type { FleetHandlers } from './fleet-process.ts';
import { startChild } from './rpc.ts';
import { Scene } from './scene.ts';
import { headline } from './simulate.ts';
import { Story } from './story.ts';
import type { Demonstrated, DemoOptions } from './told.ts';

export async function demo(options: DemoOptions): Promise<Demonstrated> {
  const data = await mkdtemp(join(tmpdir(), 'countersign-demo-'));
  const screen = stages(options.write);
  options.write(headline(options));
  const fleet = startChild<FleetHandlers>(new URL('./fleet-process.js', import.meta.url));
  let stopBroker = async () => {};
  const end = async () => {
    await fleet.stop();
    await stopBroker();
    await rm(data, { recursive: true, force: true });
  };
  const disarm = onSignal((signal) => {
    options.write(`${signal}: stopping the fleet and the publisher’s side; then ${data} is removed`);
    return end();
  });
  try {
    screen.stage(
      'The publisher’s side starts',
      'Ledger, collection server with key C, distribution server with key D, MQTT broker.',
    );
    const spawned = (stop: () => Promise<void>) => {
      stopBroker = stop;
    };
    const broker = await startBroker({ data, port: 0, mqttPort: 0, spawned });
    screen.say(
      `process ${broker.pid} on ${broker.url}; quorum 0: one machine holds everything. Fleet: process ${fleet.pid}`,
    );
    const scene = await Scene.begin(options, screen, data, broker, fleet);
    const story = new Story(scene);
    const told = await story.tell().catch((error: unknown) => {
      for (const text of scene.broken) options.write(`NOT as it should be: ${text}`);
      throw error;
    });
    disarm();
    await options.keep?.({ data, url: broker.url }, told);
    return told;
  } finally {
    disarm();
    await end();
  }
}

/**
 * Ctrl-C in the middle of the story: nothing of it stays behind, and the exit code is the shell's for a signal (128 and
 * its number). @returns forgets it
 */
function onSignal(end: (signal: string) => Promise<void>): () => void {
  const signals = ['SIGINT', 'SIGTERM'] as const;
  const stop = (signal: (typeof signals)[number]) =>
    void end(signal).finally(() => process.exit(128 + constants.signals[signal]));
  for (const signal of signals) process.once(signal, stop);
  return () => {
    for (const signal of signals) process.off(signal, stop);
  };
}
