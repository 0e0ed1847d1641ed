/** Write and erase units of flash in common use, in bytes, from the makers' data sheets. */
export const GEOMETRIES = {
  /** Small ARM7 and Cortex-M parts with half-kilobyte pages. */
  tiny: { writeBytes: 4, eraseBytes: 512 },
  /** nRF52: a word at a time, pages of 4 KB. */
  nrf52: { writeBytes: 4, eraseBytes: 4096 },
  /** STM32L4 and G4: a double word with error correction, pages of 2 KB. */
  stm32l4: { writeBytes: 8, eraseBytes: 2048 },
  /** STM32F4's small sectors: single bytes, 16 KB. */
  stm32f4: { writeBytes: 1, eraseBytes: 16384 },
  /** STM32H7-like flash words of 32 bytes with error correction, here with sectors of 16 KB. */
  flashWord: { writeBytes: 32, eraseBytes: 16384 },
  /** External serial NOR behind ESP32, RP2040 and most gateways: bytes, sectors of 4 KB. */
  serialNor: { writeBytes: 1, eraseBytes: 4096 },
} as const satisfies Record<string, { writeBytes: number; eraseBytes: number }>;
