/* The few peripherals both programs need, as plain memory-mapped registers. Addresses come from each product's board.h. */
#ifndef HAL_H
#define HAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  volatile uint32_t data;
  volatile uint32_t status; /* bit 0: byte received, bit 1: room to send */
  volatile uint32_t control;
  volatile uint32_t divider;
} uart_regs;

typedef struct {
  volatile uint32_t control; /* bit 0: enable, bit 1: start, bits 8..11: channel */
  volatile uint32_t status;  /* bit 0: conversion done */
  volatile uint32_t result;
  volatile uint32_t sample_time;
} adc_regs;

typedef struct {
  volatile uint32_t mode;
  volatile uint32_t input;
  volatile uint32_t set;
  volatile uint32_t clear;
} gpio_regs;

typedef struct {
  volatile uint32_t key;
  volatile uint32_t status; /* bit 0: busy, bit 1: error */
  volatile uint32_t control; /* bit 0: program, bit 1: erase, bit 2: start, bit 7: lock */
  volatile uint32_t page;
} flash_regs;

typedef struct {
  volatile uint32_t key; /* 0xaaaa feeds, 0xcccc starts */
  volatile uint32_t reload;
} watchdog_regs;

/* A stuck peripheral must end in an error, not in a hang that only the watchdog breaks. */
#define SPINS_MAX 200000u

void clock_init(void);
uint32_t clock_ms(void);
void clock_wait_ms(uint32_t ms);
void cpu_sleep(void);
void cpu_restart(void);

void uart_init(uint32_t baud);
bool uart_read(uint8_t *byte);
void uart_write(const void *bytes, size_t length);
void uart_print(const char *text);
void uart_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

void adc_init(void);
uint16_t adc_read(unsigned channel);

void watchdog_start(uint32_t timeout_ms);
void watchdog_feed(void);

bool flash_erase_page(uint32_t address);
bool flash_program(uint32_t address, const void *bytes, size_t length);

#endif
