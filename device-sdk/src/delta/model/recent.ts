/** The bytes produced last, newest first: the neighbours of what comes next. */
export class Recent {
  a = 0;
  b = 0;
  c = 0;
  d = 0;

  put(byte: number): void {
    this.d = this.c;
    this.c = this.b;
    this.b = this.a;
    this.a = byte;
  }

  reset(): void {
    this.a = this.b = this.c = this.d = 0;
  }
}
