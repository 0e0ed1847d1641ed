/** The bytes produced last, newest first: the neighbours of what comes next. */
export class Recent {
  a = 0;
  b = 0;
  c = 0;
  d = 0;
  e = 0;
  f = 0;

  put(byte: number): void {
    this.f = this.e;
    this.e = this.d;
    this.d = this.c;
    this.c = this.b;
    this.b = this.a;
    this.a = byte;
  }

  /** A run of one byte, as long as what is remembered. */
  fill(byte: number): void {
    this.a = this.b = this.c = this.d = this.e = this.f = byte;
  }

  reset(): void {
    this.fill(0);
  }

  save(): number[] {
    return [(this.a | (this.b << 8) | (this.c << 16) | (this.d << 24)) >>> 0, this.e | (this.f << 8)];
  }

  load([near, far]: readonly number[]): void {
    for (const shift of [8, 0]) this.put((far! >>> shift) & 0xff);
    for (const shift of [24, 16, 8, 0]) this.put((near! >>> shift) & 0xff);
  }
}
