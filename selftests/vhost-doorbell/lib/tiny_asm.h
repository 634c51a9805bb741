/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For guests' code in the assembler, which knows neither offsetof() nor what the
 * preprocessor calls a number.
 */
#ifndef TINY_ASM_H
#define TINY_ASM_H

#include <assert.h>
#include <stddef.h>

/* The number that the assembler is given for a field is the field's offset */
#define SAME(type, field, value)					\
	static_assert(offsetof(type, field) == (value), #field)

#define STR_(x)		#x
#define STR(x)		STR_(x)

#endif /* TINY_ASM_H */
