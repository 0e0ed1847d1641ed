/* A generic Cortex-M4 board with one UART for service, one for the radio, an ADC and 512 KB of flash. */
#ifndef BOARD_H
#define BOARD_H

#define BOARD_CLOCK_HZ 48000000u

#define BOARD_UART_BASE 0x40011000u
#define BOARD_RADIO_BASE 0x40004400u
#define BOARD_ADC_BASE 0x40012000u
#define BOARD_GPIO_BASE 0x40020000u
#define BOARD_FLASHC_BASE 0x40022000u
#define BOARD_WATCHDOG_BASE 0x40003000u
#define BOARD_UNIQUE_ID ((const uint8_t *)0x1fff7590u)

#define BOARD_ADC_SAMPLE_TIME 47u

#define BOARD_STORE_PAGE_A 0x0807f000u
#define BOARD_STORE_PAGE_B 0x0807f800u
#define BOARD_STORE_PAGE_BYTES 2048u

/* Straps on the board tell which revision it is. */
#define BOARD_REVISION_PINS 0x03u
#define BOARD_PIN_RADIO_RESET (1u << 4)
#define BOARD_PIN_LED (1u << 5)

enum { CHANNEL_THERMISTOR, CHANNEL_HUMIDITY, CHANNEL_PRESSURE, CHANNEL_BATTERY, CHANNEL_LIGHT, CHANNEL_REFERENCE,
       CHANNEL_VIBRATION };

#endif
