/* What newlib asks of its host: memory from the heap region, output to the UART, and nothing else. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "hal.h"

extern uint8_t link_heap_start, link_heap_end;

void *_sbrk(ptrdiff_t increment) {
  static uint8_t *top = &link_heap_start;
  if (increment > &link_heap_end - top || increment < &link_heap_start - top) {
    errno = ENOMEM;
    return (void *)-1;
  }
  uint8_t *previous = top;
  top += increment;
  return previous;
}

int _write(int file, const char *bytes, int length) {
  (void)file;
  uart_write(bytes, (size_t)length);
  return length;
}

int _read(int file, char *bytes, int length) {
  (void)file, (void)bytes, (void)length;
  return 0;
}

int _close(int file) {
  (void)file;
  return -1;
}

int _fstat(int file, struct stat *info) {
  (void)file;
  info->st_mode = S_IFCHR;
  return 0;
}

int _isatty(int file) {
  (void)file;
  return 1;
}

int _lseek(int file, int offset, int whence) {
  (void)file, (void)offset, (void)whence;
  return 0;
}

int _getpid(void) {
  return 1;
}

int _kill(int process, int signal) {
  (void)process, (void)signal;
  errno = EINVAL;
  return -1;
}

void _exit(int status) {
  (void)status;
  cpu_restart();
  for (;;) cpu_sleep();
}
