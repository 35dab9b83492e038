/* SPDX-License-Identifier: MIT
 * CRC-32 (IEEE 802.3, as in zlib). Pure; any thread; signal safe. */
#ifndef RESIL_BASE_CRC32_H
#define RESIL_BASE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* crc32_update(crc, data, bytes): the crc of what crc covered followed by data; crc is 0 at the beginning. */
uint32_t crc32_update(uint32_t crc, const void *data, size_t bytes);

#endif
