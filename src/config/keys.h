/* SPDX-License-Identifier: MIT
 * The key table's limits as numbers, for the parser and for those who check foreign rules. */
#ifndef RESIL_CONFIG_KEYS_H
#define RESIL_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct key_range {
    int64_t low, high; /* TEXT: 0..INT64_MAX */
    bool may_be_off;   /* CONF_OFF is legal as well */
    bool may_be_auto;  /* so is an auto(...) whose bounds are within low..high */
};

/* key_range(key): the legal values of a key. */
struct key_range key_range(int key);

/* key_range_holds(range, value): whether a value of the key is legal. */
bool key_range_holds(const struct key_range *range, int64_t value);

/* key_info_parse(info, text, length, value, want, size): config_parse_value() by a row, of any table of keys.
 * key_info_default(info): the row's default. */
struct key_info;
bool key_info_parse(const struct key_info *info, const char *text, size_t length, int64_t *value, char *want,
                    size_t size);
int64_t key_info_default(const struct key_info *info);

/* key_default_of(key): the key whose value is this one's default, or -1. */
int key_default_of(int key);

/* key_default_value(key): the table's default of a key that has one of its own; 0 for TEXT. */
int64_t key_default_value(int key);

#endif
