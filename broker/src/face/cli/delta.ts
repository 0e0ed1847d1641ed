import { Refusal } from '@countersign/device-sdk';
import { CLASSES } from '@countersign/device-sdk/delta';
import { type Command, Option } from 'commander';
import { type DeltaMade, deltaApply, deltaInfo, deltaMake, explainDelta } from '../../delta/verbs.ts';
import { verb } from './program.ts';

/** `delta make|apply|info`: the engine alone, on files, without servers and signatures. */
export function deltaVerbs(program: Command): void {
  const delta = program.command('delta').description('make, apply and explain deltas of two files');
  makeVerb(delta);
  applyVerb(delta);
  const info = delta.command('info <delta>').description('what a delta is and what its bytes are spent on');
  verb(info, async (path: string) => {
    const found = await deltaInfo(path);
    return { json: found, text: explainDelta(found).join('\n') };
  });
}

function applyVerb(delta: Command): void {
  const command = delta
    .command('apply <old> <delta>')
    .description('apply a delta in the workspace it names, as a device does')
    .requiredOption('-o, --out <file>', 'the new image');
  verb(command, async (oldPath: string, deltaPath: string, { out }: { out: string }) => {
    const applied = await deltaApply({ oldPath, deltaPath, newPath: out });
    const { newBytes, sha256, workspaceBytes, seconds } = applied;
    const text = `${out}: ${newBytes} bytes, sha256 ${sha256}\nworkspace ${workspaceBytes} bytes, ${seconds} s`;
    return { json: applied, text };
  });
}

interface MakeOptions {
  out: string;
  class: string;
  inPlace?: boolean;
}

function makeVerb(delta: Command): void {
  const command = delta
    .command('make <old> <new>')
    .description('the smallest delta of a memory class')
    .requiredOption('-o, --out <file>', 'the delta')
    .addOption(new Option('--class <class>', 'memory class of the device').choices(CLASSES).default('L'))
    .option('--in-place', 'for a device with one slot');
  verb(command, async (oldPath: string, newPath: string, options: MakeOptions) => {
    if (options.inPlace) throw new Refusal('UNSUPPORTED', 'this build makes deltas for two slots only');
    const made = await deltaMake({ oldPath, newPath, outPath: options.out, class: options.class });
    return { json: made, text: madeText(options.out, made) };
  });
}

function madeText(out: string, m: DeltaMade): string {
  const percent = m.newBytes === 0 ? '' : ` (${((100 * m.deltaBytes) / m.newBytes).toFixed(1)} % of the image)`;
  const kind = m.kind === 'full' ? 'full image, compressed: no delta is smaller' : 'delta';
  return [
    `${out}: ${m.deltaBytes} bytes${percent}, ${kind}`,
    `from ${m.oldBytes} to ${m.newBytes} bytes, class ${m.class}, predictor ${m.predictor}, coder ${m.coder}`,
    `workspace ${m.workspaceBytes} bytes, made in ${m.seconds} s`,
  ].join('\n');
}
