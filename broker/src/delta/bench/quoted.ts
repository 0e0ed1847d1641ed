/**
 * Sizes that other tools reached on published images, measured once and quoted here because these tools are not
 * packaged for Debian. HDiffPatch 4.12: the best of `hdiffz -SD -m-6 | -m-1 -block-0 -c-lzma-9`. HPatchLite: its
 * tinyuz form with a dictionary of 4 KB. detools: sequential with lzma, its hdiffpatch form with lzma, sequential
 * with heatshrink (8, 7), and `--data-format arm-cortex-m4`, which its C decoder does not have; its build was checked
 * against the patches that its repository stores. One machine, Debian 12, two shared cores.
 */
export interface Quote {
  pair: string;
  newBytes: number;
  /** What bsdiff 4 makes of the same pair: it tells the pair from others with a new image of the same size. */
  bsdiffBytes: number;
  tools: Readonly<Record<string, number>>;
}

export const HDIFF = 'HDiffPatch 4.12 best';

const COLUMNS = [
  HDIFF,
  'HPatchLite tinyuz 4 KB',
  'detools lzma',
  'detools hdiffpatch lzma',
  'detools best without data format',
  'detools heatshrink 8,7',
  'detools arm-cortex-m4',
];

type Row = [pair: string, newBytes: number, bsdiffBytes: number, ...sizes: (number | null)[]];

// biome-ignore format: a table
const ROWS: Row[] = [
  ['m4-argon-boot 2.0.1-2.1.0', 46_660, 1_243, 1_018, 1_119, 1_151, 1_105, null, 1_642, 821],
  ['m4-argon-sys 4.0.1-4.0.2', 474_850, 8_492, 9_125, 12_294, 10_735, 9_829, null, 17_897, 4_399],
  ['m4-argon-sys 2.0.0-2.0.1', 464_680, 10_859, 10_934, 14_161, 12_366, 11_297, null, 19_288, 5_900],
  ['m4-argon-sys 2.1.0-2.2.0', 471_556, 35_815, 31_950, 37_616, 34_106, 31_739, null, 47_322, 26_201],
  ['m4-pybv11 one-line change', 319_988, 7_549, 8_213, 10_578, 8_208, 8_711, null, 13_373, 5_053],
  ['m4-pybv11 1.10-dev', 320_016, 40_694, 35_009, 40_729, 36_686, 35_373, null, 53_267, 32_233],
  ['m4-tracker 2.2.0-4.0.2', 534_202, 279_599, 252_040, 302_338, 268_651, 257_197, null, 370_518, 268_438],
  ['m3-photon-p2 2.2.0-2.3.1', 260_984, 6_991, 6_612, 8_069, 7_353, 6_981, null, 11_408, 3_977],
  ['m3-photon-p2 1.5.2-2.0.0', 260_088, 89_381, 79_962, 93_317, 85_478, 83_585, null, 116_056, 83_375],
  ['m0-nrf51conn 1.2.1-1.2.3', 150_420, 940, 881, 1_089, 1_125, 917, null, 3_019, 436],
  ['m0-microbit rebuilt, other gcc', 243_852, 114_874, 99_898, 114_304, 106_567, 103_106, null, 150_978, 106_894],
  ['avr-firmata 0.10.0-0.10.5', 18_004, 9_875, 8_042, 9_088, 8_721, 8_509, null, 11_554, null],
  ['avr-backpack 0.10.0-0.10.5', 4_438, 2_934, 2_311, 2_484, 2_529, 2_516, null, 3_067, null],
  ['xt-ath9k9271 108-110', 51_008, 20_271, 17_767, 19_994, 18_988, 18_501, null, 25_091, null],
  ['xt-ath9k7010 106-108', 72_812, 18_906, 16_215, 18_593, 17_800, 17_223, null, 23_147, null],
  ['esp8266-micropython 1.9.4-1.10', 615_388, 75_985, 66_675, 79_245, 71_803, 65_927, null, 96_957, null],
  ['esp8266-wled 0.14.2-0.14.3', 874_512, 22_162, 20_082, 25_084, 22_853, 19_788, null, 36_084, null],
  ['esp32-wled 0.14.1-0.14.2', 1_286_112, 92_648, 79_063, 94_960, 85_924, 79_418, null, 122_197, null],
  ['esp32-wled 0.14.4-0.15.0', 1_360_096, 393_827, 341_921, 382_982, 357_635, 341_714, null, 455_653, null],
  ['c3rv32-wled 0.14.3-0.14.4', 1_503_744, 49_886, 46_753, 61_610, 52_159, 49_071, null, 84_978, null],
  ['c3rv32-wled 0.15b6-b7', 1_540_176, 103_885, 101_298, 116_215, 105_484, 104_170, null, 143_084, null],
  ['rv64-opensbi 1.5.1-1.6', 273_432, 78_189, 70_949, 83_814, 74_744, 72_330, null, 104_071, null],
  ['rv64-opensbi 1.1-1.5.1', 272_448, 62_117, 55_793, 64_852, 58_123, 55_582, null, 81_699, null],
  ['a64-tfa-rpi4 2.8-2.12', 57_459, 12_729, 10_868, 12_500, 11_801, 11_048, null, 15_641, null],
  ['a32-uboot 2021.01-2023.01', 789_972, 243_079, 205_986, 258_443, 225_263, 204_076, null, 345_122, null],
  ['linux-armel 6.1.170-176 (raw)', 7_926_468, 443_957, 386_796, null, 424_469, 390_066, null, 717_478, null],
  ['m4-boron 4.0.1-4.0.2', 510_938, 8_987, 9_855, null, null, null, 10_578, 19_338, 4_453],
  ['m3-photon-p2 2.0.0-2.0.1', 260_072, 4_800, 4_554, null, null, null, 4_779, 8_858, 2_720],
  ['m4-argon-sys 1.5.0-1.5.2', 635_412, 22_721, 21_346, null, null, null, 21_096, 35_431, 12_731],
  ['m4-boron 2.1.0-2.2.0', 499_160, 34_526, 31_100, null, null, null, 30_980, 46_168, 24_869],
  ['m4-nrf52conn 1.2.1-1.2.3', 175_004, 11_387, 9_754, null, null, null, 9_894, 14_151, 7_973],
  ['m4-tracker 2.0.1-2.1.0', 501_852, 54_565, 47_552, null, null, null, 48_167, 69_272, 42_637],
  ['m3-photon-p1 2.1.0-2.2.0', 241_496, 1_651, 1_371, null, null, null, 1_464, 5_042, 1_124],
  ['m3-electron-p1 2.0.1-2.1.0', 87_532, 20_762, 17_762, null, null, null, 18_346, 25_706, 19_293],
  ['m4-argon-boot 2.2.0-4.0.1', 48_212, 13_738, 11_661, null, null, null, 12_211, 16_161, 12_628],
  ['rv64-uboot 2021-2023', 647_144, 237_286, 208_251, null, null, null, 210_669, 302_799, null],
  ['rv32-opensbi 1.5.1-1.6', 268_952, 77_807, 69_001, null, null, null, 70_466, 102_990, null],
  ['a32-busybox 1.35-1.37', 1_381_616, 576_204, 511_135, null, null, null, 523_111, 762_335, null],
];

const QUOTES: readonly Quote[] = ROWS.map(([pair, newBytes, bsdiffBytes, ...sizes]) => ({
  pair,
  newBytes,
  bsdiffBytes,
  tools: Object.fromEntries(COLUMNS.flatMap((name, i) => (sizes[i] == null ? [] : [[name, sizes[i]]]))),
}));

/** Two makers of the format differ by under 1 %, on tiny patches by a few bytes. */
const BSDIFF_SHARE_MAX = 0.03;
const BSDIFF_BYTES_MAX = 32;

/** What is quoted for a pair, told by the size of its new image and of a BSDIFF40 patch of it. */
export function quoteOf(newBytes: number, bsdiffBytes: number): Quote | undefined {
  return QUOTES.find(
    (quote) =>
      quote.newBytes === newBytes &&
      Math.abs(quote.bsdiffBytes - bsdiffBytes) <= Math.max(BSDIFF_BYTES_MAX, BSDIFF_SHARE_MAX * quote.bsdiffBytes),
  );
}
