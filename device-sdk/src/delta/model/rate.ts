/** How fast a state learns after n visits: 65536 / (n + 1.5). */
export const RATE = Int32Array.from({ length: 256 }, (_, n) => Math.floor(131072 / (2 * n + 3)));
