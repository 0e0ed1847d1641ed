/**
 * The caller broke a rule of the flash or of the boot loader: cells not erased, misaligned, out of range, or an order
 * that could leave no bootable slot. A fault in the program under test, so it is never caught and never a Refusal.
 */
export class FlashMisuse extends RangeError {
  constructor(text: string) {
    super(text);
    this.name = 'FlashMisuse';
  }
}

/** The power is gone. Nothing of the device may run on until the power is back and the loader has booted it. */
export class PowerCut extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'PowerCut';
  }
}

/** No slot is left that the loader may boot. The one outcome no sequence of faults may ever reach. */
export class Bricked extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'Bricked';
  }
}
