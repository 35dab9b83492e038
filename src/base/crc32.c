/* SPDX-License-Identifier: MIT
 * CRC-32 with a table of sixteen words: half a byte at a time is fast enough for a block that is checked
 * once per configuration, and costs the host program one cache line. */
#include "base/crc32.h"

static const uint32_t nibble_crc[16] = {
    0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u, 0x4db26158u, 0x5005713cu,
    0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu, 0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu,
};

uint32_t crc32_update(uint32_t crc, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    crc = ~crc;
    for (; bytes; bytes--, at++) {
        crc ^= *at;
        crc = (crc >> 4) ^ nibble_crc[crc & 15];
        crc = (crc >> 4) ^ nibble_crc[crc & 15];
    }
    return ~crc;
}
