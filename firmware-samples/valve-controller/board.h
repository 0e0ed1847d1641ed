/* A generic Cortex-M0+ board: a motor driver, a flow meter on a counting pin, 256 KB of flash. */
#ifndef BOARD_H
#define BOARD_H

#define BOARD_CLOCK_HZ 32000000u

#define BOARD_UART_BASE 0x40013800u
#define BOARD_ADC_BASE 0x40012400u
#define BOARD_GPIO_BASE 0x50000000u
#define BOARD_FLASHC_BASE 0x40022000u
#define BOARD_WATCHDOG_BASE 0x40003000u
#define BOARD_COUNTER ((volatile uint32_t *)0x40010024u)

#define BOARD_ADC_SAMPLE_TIME 79u

#define BOARD_STORE_PAGE_A 0x0803f000u
#define BOARD_STORE_PAGE_B 0x0803f800u
#define BOARD_STORE_PAGE_BYTES 2048u

#define BOARD_PIN_STEP (1u << 0)
#define BOARD_PIN_DIRECTION (1u << 1)
#define BOARD_PIN_MOTOR_ON (1u << 2)
#define BOARD_PIN_END_CLOSED (1u << 8)
#define BOARD_PIN_END_OPEN (1u << 9)

enum { CHANNEL_UPSTREAM, CHANNEL_DOWNSTREAM, CHANNEL_MOTOR_CURRENT, CHANNEL_SUPPLY };

#endif
