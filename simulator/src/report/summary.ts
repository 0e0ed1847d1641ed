/** The end of a run, for people. */
import type { Verdict } from '../oracle/judge.ts';
import type { ClassRow, FleetOutcome } from './outcome.ts';
import { wearText } from './wear.ts';

export function simulatedText(outcome: FleetOutcome, verdict: Verdict, reached: boolean): string {
  return [figures(outcome), verdictLine(verdict), ...(reached ? [] : ['not everybody arrived'])].join('\n');
}

export function demoText(outcome: FleetOutcome, verdict: Verdict, broken: readonly string[], replay: string): string {
  const refused = outcome.attacks.filter((attack) => attack.refused).length;
  const end = broken.length === 0 ? [] : ['', 'NOT as it should be:', ...broken.map((text) => `  ${text}`)];
  const attacks = `attacks      ${refused} of ${outcome.attacks.length} refused`;
  const classes = outcome.classes === undefined ? [] : ['', classTable(outcome.classes), ''];
  return ['', figures(outcome), ...classes, attacks, verdictLine(verdict), ...end, replay].join('\n');
}

export function figures(outcome: FleetOutcome): string {
  const { devices, updated, reverted, refused, stuck, seconds, updateSeconds, bytes, ledger } = outcome;
  const slowest = updateSeconds === undefined ? '' : `, the slowest rollout ${updateSeconds.toFixed(1)}`;
  const rows: [string, string][] = [
    ['devices', String(devices)],
    ['updated', `${updated}`],
    ['reverted', `${reverted}`],
    ['refused', `${refused}`],
    ['stuck', `${stuck}`],
    ['bytes saved', savedText(bytes)],
    ...(outcome.wear ? [['flash wear', wearText(outcome.wear)] as [string, string]] : []),
    ['seconds', `${seconds.toFixed(1)}${slowest}`],
    ['entries', `${ledger.entries} in ${ledger.blocks} blocks, ${ledger.verified ? 'verified' : 'NOT VERIFIED'}`],
    ['root', ledger.root],
  ];
  return rows.map(([name, value]) => `${name.padEnd(12)} ${value}`).join('\n');
}

/** Bytes by memory class: what the collection server made, and what the devices fetched of it. */
function classTable(rows: readonly ClassRow[]): string {
  const head = ['class', 'product', 'release', 'image', 'packed', 'delta', 'of image', 'fetched each', 'devices'];
  const count = (bytes: number) => bytes.toLocaleString('en-GB');
  const cells = rows.map((row) => [
    row.class,
    row.product,
    `${row.from} → ${row.to}`,
    ...[row.imageBytes, row.fullBytes, row.deltaBytes].map(count),
    `${((100 * row.deltaBytes) / row.imageBytes).toFixed(2)} %`,
    count(row.fetchedBytes),
    count(row.devices),
  ]);
  const widths = head.map((_, i) => Math.max(...[head, ...cells].map((row) => row[i]!.length)));
  const pad = (cell: string, i: number) => (i < 3 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!));
  return [head, ...cells].map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
}

function savedText({ image, delta, perDevice }: FleetOutcome['bytes']): string {
  if (image === 0) return 'nothing was installed';
  const share = (100 * (1 - delta / image)).toFixed(1);
  return `${share} %: ${sized(delta)} of frames for ${sized(image)} of images; ${sized(perDevice)} in all per device`;
}

function verdictLine({ ok, slots, reports, installs, problems }: Verdict): string {
  if (ok)
    return `judge        ok: ${slots} slots read, ${reports} reports checked, ${installs} installs current, all true`;
  return ['judge        FAILED', ...problems.slice(0, PROBLEMS_SHOWN).map((text) => `  ${text}`)].join('\n');
}

const PROBLEMS_SHOWN = 10;

function sized(bytes: number): string {
  return bytes < 10_000
    ? `${bytes} B`
    : bytes < 10_000_000
      ? `${Math.round(bytes / 1000)} KB`
      : `${Math.round(bytes / 1_000_000)} MB`;
}
