// SPDX-License-Identifier: GPL-2.0
/* Memory and quoting. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "vhdb.h"

/* Nothing here can do without: the process ends. */
void vhdb_out_of_memory(void)
{
	vhdb_error("out of memory");
	exit(VHDB_EXIT_FAILURE);
}

/* calloc that cannot fail. */
void *vhdb_alloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		vhdb_out_of_memory();
	return p;
}

char *vhdb_strdup(const char *s)
{
	return vhdb_printf("%s", s);
}

/* Print @word so that a POSIX shell reads the same word again. */
void vhdb_print_quoted(FILE *out, const char *word)
{
	const char *p = word;

	while (isalnum((unsigned char)*p) || (*p && strchr("_-+./:,=@%", *p)))
		p++;
	if (p != word && !*p) {
		fputs(word, out);
		return;
	}

	fputc('\'', out);
	for (p = word; *p; p++) {
		if (*p == '\'')
			fputs("'\\''", out);
		else
			fputc(*p, out);
	}
	fputc('\'', out);
}
