import { demand } from '@countersign/device-sdk';
import { CLASSES } from '@countersign/device-sdk/delta';
import { PREDICTOR_NAMES, type PredictorName } from '@countersign/device-sdk/delta/model';
import { type Command, Option } from 'commander';
import { explainDelta } from '../../delta/info/explain.ts';
import { type DeltaInfo, deltaInfo } from '../../delta/info/info.ts';
import type { Tell } from '../../delta/progress.ts';
import { type Bsdiff40Made, bsdiff40Make, type DeltaMade, deltaApply, deltaMake } from '../../delta/verbs.ts';
import { bar } from './bar.ts';
import { benchVerb } from './delta-bench.ts';
import { verb } from './program.ts';
import { readAddress, readPage, readWhole } from './values.ts';

/** `delta make|apply|info|bench`: the engine alone, on files, without servers and signatures. */
export function deltaVerbs(program: Command): void {
  const delta = program.command('delta').description('make, apply and explain deltas of two files');
  makeVerb(delta);
  applyVerb(delta);
  infoVerb(delta);
  benchVerb(delta);
}

function infoVerb(delta: Command): void {
  const command = delta
    .command('info <delta>')
    .description('what a delta is, what its bytes are spent on, and which devices can take it')
    .option('--old <file>', 'the old image: what range coders spent, and how well addresses were predicted')
    .option('--new <file>', 'the new image: what checkpoints cost, by making it anew without (as long as delta make)');
  verb(command, async (path: string, options: { old?: string; new?: string }) => {
    const images = { ...(options.old && { oldPath: options.old }), ...(options.new && { newPath: options.new }) };
    const found = await watched((tell) => deltaInfo(path, images, tell));
    return { json: found, text: [...explainDelta(found), ...besideText(found, options)].join('\n') };
  });
}

/** Whoever gave an image is told what it was good for, and why where it shows nothing. */
function besideText(found: DeltaInfo, given: { old?: string; new?: string }): string[] {
  if (found.kind === 'bsdiff40') return [];
  const { kind, quality, checkpointBytes, inPlace, withoutCheckpointsBytes } = found;
  const lines: string[] = [];
  if (given.old && kind === 'full') lines.push('--old: a full image needs none');
  else if (given.old && !quality?.kinds.length)
    lines.push('--old: the image it starts from; no address in its copies was predicted, so there is no more to tell');
  if (given.new && withoutCheckpointsBytes === undefined) {
    const why =
      inPlace !== null
        ? 'in place each checkpoint is a page, and there is no doing without'
        : checkpointBytes === 0
          ? 'it has no checkpoints to do without'
          : 'give --old as well to see what its checkpoints cost';
    lines.push(`--new: the image it makes; ${why}`);
  }
  return lines.length > 0 ? ['', ...lines] : [];
}

function applyVerb(delta: Command): void {
  const command = delta
    .command('apply <old> <delta>')
    .description('apply a delta in the workspace it names, as a device does; or a BSDIFF40 patch')
    .requiredOption('-o, --out <file>', 'the new image')
    .option('--sha256 <digest>', 'what the new image must be; a BSDIFF40 patch does not say it');
  verb(command, async (oldPath: string, deltaPath: string, { out, sha256 }: { out: string; sha256?: string }) => {
    const applied = await deltaApply({ oldPath, deltaPath, newPath: out, ...(sha256 && { sha256 }) });
    const { newBytes, workspaceBytes, seconds } = applied;
    const lines = [
      `${out}: ${newBytes} bytes, sha256 ${applied.sha256}`,
      `workspace ${workspaceBytes} bytes, ${seconds} s`,
    ];
    if (applied.kind === 'bsdiff40' && !sha256)
      lines.push('BSDIFF40 carries no digests: compare this one with what you expect, or give --sha256');
    return { json: applied, text: lines.join('\n') };
  });
}

interface MakeOptions {
  out: string;
  class: string;
  format: 'container' | 'bsdiff40';
  cpu?: PredictorName;
  base?: number;
  inPlace?: boolean;
  slot?: number;
  page?: number;
}

function placeOf({ inPlace, slot, page }: MakeOptions): { inPlace?: { slotBytes?: number; pageBytes?: number } } {
  demand(inPlace || (slot === undefined && page === undefined), 'BAD_REQUEST', '--slot and --page are for --in-place');
  if (!inPlace) return {};
  return {
    inPlace: { ...(slot !== undefined && { slotBytes: slot }), ...(page !== undefined && { pageBytes: page }) },
  };
}

function makeVerb(delta: Command): void {
  const command = delta
    .command('make <old> <new>')
    .description('the smallest delta of a memory class')
    .requiredOption('-o, --out <file>', 'the delta')
    .addOption(new Option('--class <class>', 'memory class of the device').choices(CLASSES).default('L'))
    .addOption(
      new Option('--format <format>', 'bsdiff40: for bspatch and its relatives; no device takes it')
        .choices(['container', 'bsdiff40'])
        .default('container'),
    )
    .addOption(
      new Option('--cpu <name>', 'instruction set to predict addresses for; found if left out').choices(
        PREDICTOR_NAMES,
      ),
    )
    .option('--base <address>', 'address of a flat image in memory (0x… allowed); found if left out', readAddress)
    .option('--in-place', 'for a device with one slot, which writes the new image over the old one')
    .option('--slot <bytes>', 'with --in-place: what both images must fit', readWhole)
    .option('--page <bytes>', 'with --in-place: what is written at once, 4096 or a larger power of two', readPage);
  verb(command, async (oldPath: string, newPath: string, options: MakeOptions) => {
    if (options.format === 'bsdiff40') {
      const { cpu, base, inPlace } = options;
      const plain = cpu === undefined && base === undefined && !inPlace;
      demand(plain, 'BAD_REQUEST', 'BSDIFF40 has no processor, no base address and no one-slot form');
      const patch = await bsdiff40Make({ oldPath, newPath, outPath: options.out });
      return { json: patch, text: madeText(options.out, patch) };
    }
    const { cpu, base } = options;
    const named = { ...(cpu !== undefined && { cpu }), ...(base !== undefined && { base }) };
    const paths = { oldPath, newPath, outPath: options.out, class: options.class, ...named, ...placeOf(options) };
    const made = await watched((tell) => deltaMake(paths, tell));
    return { json: made, text: madeText(options.out, made) };
  });
}

/** A bar while the encoder works. */
async function watched<T>(work: (tell: Tell) => Promise<T>): Promise<T> {
  const shown = bar();
  try {
    return await work(({ done, total, what }) => shown.update(done, total, what));
  } finally {
    shown.clear();
  }
}

const KINDS = {
  full: 'full image, compressed: no delta is smaller',
  delta: 'delta',
  bsdiff40: 'BSDIFF40 patch',
};

/** An image of no more than a page has no checkpoint inside. */
function atOnce({ checkpointBytes }: DeltaMade): string {
  return checkpointBytes === 0 ? 'all in one page' : `${checkpointBytes} bytes at once`;
}

function madeText(out: string, m: DeltaMade | Bsdiff40Made): string {
  const percent = m.newBytes === 0 ? '' : ` (${((100 * m.deltaBytes) / m.newBytes).toFixed(1)} % of the image)`;
  const forClass = m.class === null ? '' : `class ${m.class}, `;
  return [
    `${out}: ${m.deltaBytes} bytes${percent}, ${KINDS[m.kind]}`,
    `from ${m.oldBytes} to ${m.newBytes} bytes, ${forClass}predictor ${m.predictor}, coder ${m.coder}`,
    ...('inPlace' in m && m.inPlace ? [`over the old image, ${m.inPlace}, ${atOnce(m)}`] : []),
    ...('alignment' in m ? [[`alignment ${m.alignment}`, ...m.notes].join('; ')] : []),
    `workspace ${m.workspaceBytes} bytes, made in ${m.seconds} s`,
  ].join('\n');
}
