/** A delta in words, for a person: what it is, what it needs, what its bytes went to. */
import { CLASS_BYTES } from '@countersign/device-sdk/delta';
import type { Bsdiff40Info } from './bsdiff40.ts';
import type { ContainerInfo, DeltaInfo } from './info.ts';
import type { Quality } from './quality.ts';

export function explainDelta(info: DeltaInfo): string[] {
  return info.kind === 'bsdiff40' ? explainPatch(info) : explainContainer(info);
}

function explainContainer(i: ContainerInfo): string[] {
  const what = i.kind === 'full' ? 'a full image, compressed' : 'a delta';
  const facts: [string, string][] = [
    ['what', `${what}: ${share(i.deltaBytes, i.newBytes)}`],
    ...(i.kind === 'full' ? [] : ([['from', image(i.oldBytes, i.oldTag)]] as [string, string][])),
    ['to', image(i.newBytes, i.newTag)],
    [
      'written',
      i.inPlace === null ? 'into a slot beside the old image' : `over the old image, page by page, ${i.inPlace}`,
    ],
    ['coder', coderText(i)],
    ['addresses', addressText(i)],
    ['checkpoints', checkpointText(i)],
    ['memory', memoryText(i)],
    ['taken by', i.takenBy.map((name) => `${name} (${count(CLASS_BYTES[name])})`).join(', ')],
  ];
  return [...columns(facts), '', ...spentText(i), ...copiesText(i), ...qualityText(i.quality)];
}

const count = (bytes: number): string => bytes.toLocaleString('en-GB');
const bytesText = (bytes: number): string => `${count(bytes)} bytes`;
const percent = (part: number, whole: number): string => `${(whole === 0 ? 0 : (100 * part) / whole).toFixed(1)} %`;
const image = (bytes: number, tag: string): string => `${bytesText(bytes)}, sha256 ${tag}…`;

function share(bytes: number, of: number): string {
  return of === 0 ? bytesText(bytes) : `${bytesText(bytes)}, ${percent(bytes, of)} of the new image`;
}

function coderText(i: ContainerInfo): string {
  const { windowBits: w, lookaheadBits: l } = i;
  if (i.coder === 'heatshrink') return `heatshrink, window ${count(2 ** w)} bytes, lookahead ${2 ** l}`;
  if (i.coder === 'lite') return `range coder, lite: ${2 ** w} literal trees, ${l} residual trees`;
  if (i.coder === 'mixing') return `range coder, mixing: ${count(2 ** w)} states`;
  return i.coder === 'stored' ? 'none: commands as they are' : `${i.coder} ${w},${l}`;
}

function addressText(i: ContainerInfo): string {
  if (i.predictor === 'none') return 'not predicted';
  const learned = i.learnedEntries === 0 ? '' : `, ${count(i.learnedEntries)} learned targets`;
  return `predicted for ${i.predictor}; a map of ${count(i.mapRuns)} runs${learned}`;
}

function checkpointText(i: ContainerInfo): string {
  if (i.checkpointBytes === 0) return 'none: after a power cut it is decoded from the start';
  const every = `every ${bytesText(i.checkpointBytes)} of output, ${i.checkpoints} in all`;
  if (i.withoutCheckpointsBytes === undefined) return every;
  const cost = i.deltaBytes - i.withoutCheckpointsBytes;
  return `${every}; made anew without: ${bytesText(i.withoutCheckpointsBytes)}, so they cost ${count(cost)}`;
}

function memoryText(i: ContainerInfo): string {
  const { state, coder, predictor, queue, old, page } = i.workspace;
  const parts = { state, coder, predictor, queue, 'old bytes': old, page };
  const listed = Object.entries(parts).filter(([, bytes]) => bytes > 0);
  const sums = listed.map(([name, bytes]) => `${name} ${count(bytes)}`).join(', ');
  return `${bytesText(i.workspaceBytes)}: ${sums}`;
}

function spentText(i: ContainerInfo): string[] {
  const { header, model, stream, commands, patches, inserts } = i.spent;
  const rows: [string, number][] = [
    ['header', header],
    ['model of addresses', model],
    ...(stream > 0
      ? ([['commands and data', stream]] as [string, number][])
      : ([
          ['commands', commands],
          ['corrections of copies', patches],
          ['inserted bytes', inserts],
        ] as [string, number][])),
  ];
  const told = stream > 0 ? ['(give --old to tell commands, corrections and inserted bytes apart)'] : [];
  return [...spending(rows, i.deltaBytes), ...told];
}

function spending(rows: readonly [string, number][], total: number): string[] {
  const all = [...rows.filter(([, bytes]) => bytes > 0), ['together', total] as const];
  const names = all.map(([name]) => name);
  const cells = all.map(([, bytes]) => [count(bytes), percent(bytes, total)]);
  return aligned(['spent on', 'bytes', 'share'], names, cells);
}

function copiesText(i: ContainerInfo): string[] {
  if (i.counts === undefined) return [];
  const { copies, inserts, fills } = i.counts;
  const covered = i.quality && i.newBytes > 0 ? ` of ${percent(i.quality.copiedBytes, i.newBytes)} of the image` : '';
  return ['', `${count(copies)} copies${covered}, ${count(inserts)} inserts, ${count(fills)} fills`];
}

function qualityText(quality: Quality | undefined): string[] {
  if (quality === undefined || quality.kinds.length === 0) return [];
  const cells = quality.kinds.map(({ units, moved, right, wrong }) => [
    count(units),
    count(moved),
    count(right),
    count(wrong),
    percent(right, units),
  ]);
  const names = quality.kinds.map(({ kind }) => kind);
  return ['', ...aligned(['units of copies', 'all', 'moved', 'right', 'wrong', 'share right'], names, cells)];
}

function explainPatch(i: Bsdiff40Info): string[] {
  const facts: [string, string][] = [
    ['what', `a BSDIFF40 patch: ${share(i.deltaBytes, i.newBytes)}`],
    ['from', `at least ${bytesText(i.oldBytesMin)}; the format names no old image`],
    ['to', `${bytesText(i.newBytes)}; the format carries no digest`],
    ['memory', `${bytesText(i.workspaceBytes)} with our reader; bspatch takes both images besides`],
    ['taken by', 'no device: it is for bspatch and its relatives'],
    ['checked', 'lengths, triples and the checksums of all three streams hold'],
  ];
  const { header, control, differences, extra } = i.spent;
  const rows: [string, number][] = [
    ['header', header],
    ['control stream', control],
    ['difference stream', differences],
    ['extra stream', extra],
  ];
  const copied = `${bytesText(i.copiedBytes)} copied, ${percent(i.differingBytes, i.copiedBytes)} of them changed`;
  const last = `${count(i.triples)} triples: ${copied}, ${bytesText(i.insertedBytes)} inserted`;
  return [...columns(facts), '', ...spending(rows, i.deltaBytes), '', last];
}

function columns(facts: readonly [string, string][]): string[] {
  const width = Math.max(...facts.map(([name]) => name.length));
  return facts.map(([name, text]) => `${name.padEnd(width)}  ${text}`);
}

/** A first column of names, the others of numbers, to the right. */
function aligned(head: readonly string[], names: readonly string[], cells: readonly string[][]): string[] {
  const rows = [head, ...names.map((name, i) => [name, ...cells[i]!])];
  const widths = head.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  );
}
