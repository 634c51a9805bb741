// SPDX-License-Identifier: GPL-2.0
/* The options of a --blk or --net: text that is cut into pieces, and numbers. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vhdb.h"

/**
 * vhdb_option_next() - cut the next option off a text
 * @rest: the text; what is behind the option afterwards
 *
 * Up to a comma, where two commas stand for one that belongs to the text, as QEMU
 * has it.
 *
 * Return: the option; NULL at the end.
 */
char *vhdb_option_next(char **rest)
{
	char *start = *rest, *in, *out;

	if (!start)
		return NULL;

	for (in = start, out = start; *in; in++) {
		if (*in == ',' && *++in != ',') {
			*out = '\0';
			*rest = in;
			return start;
		}
		*out++ = *in;
	}
	*out = '\0';
	*rest = NULL;
	return start;
}

/**
 * vhdb_option_number() - a number of 1 or more
 * @what: the option of the command line that it belongs to
 * @key: how it is called
 * @value: the text
 * @number: out: the number
 *
 * Return: 0; -1 after a message.
 */
int vhdb_option_number(const char *what, const char *key, const char *value,
		       unsigned int *number)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || n == 0 ||
	    n > 1U << 30) {
		vhdb_error("%s: '%s=%s' is not a number of 1 or more", what,
			   key, value);
		return -1;
	}
	*number = n;
	return 0;
}

/**
 * vhdb_option_bytes() - bytes, with k, M or G for the binary thousands
 * @what: the option of the command line that it belongs to
 * @key: how it is called
 * @value: the text
 * @bytes: out: the number
 *
 * Return: 0; -1 after a message.
 */
int vhdb_option_bytes(const char *what, const char *key, const char *value,
		      __u64 *bytes)
{
	static const char units[] = "kMG";
	unsigned long long n;
	const char *unit;
	char *end;
	int shift = 0;

	errno = 0;
	n = strtoull(value, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		shift = 10 * (unit - units + 1);
		end++;
	}
	if (*value < '0' || *value > '9' || *end || errno || !n ||
	    n > ~0ULL >> shift) {
		vhdb_error("%s: '%s=%s' is not a number of bytes of 1 or more",
			   what, key, value);
		vhdb_hint("k, M or G may stand behind it, for 1024 and its powers");
		return -1;
	}
	*bytes = n << shift;
	return 0;
}

/**
 * vhdb_option_id() - how a device is called
 * @what: the option of the command line that it belongs to
 * @h: the device
 * @value: the text
 *
 * Return: 0; -1 after a message.
 */
int vhdb_option_id(const char *what, struct vhdb_handed *h, const char *value)
{
	const char *p = value;

	while (isalnum((unsigned char)*p) || (*p && strchr("-_.", *p)))
		p++;
	if (p == value || *p) {
		vhdb_error("%s: '%s' is no id: letters, digits and '-_.' only",
			   what, value);
		return -1;
	}
	free(h->id);
	h->id = vhdb_strdup(value);
	h->named = true;
	return 0;
}
