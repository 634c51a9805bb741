// SPDX-License-Identifier: GPL-2.0
/* See vhdb_migration.h. */
#include <sched.h>
#include <string.h>

#include "vhdb_migration.h"

#define PAGE		VHDB_CLASSIC_PAGE
#define WORD_BITS	(8 * sizeof(unsigned long))

void vhdb_migration_pass(struct vhdb_migration *m)
{
	struct vhdb_classic *c = m->c;
	size_t first = c->mem.iova / PAGE, last, i, bit;

	last = first + c->mem.size / PAGE - 1;
	for (i = first / WORD_BITS; i <= last / WORD_BITS; i++) {
		unsigned long word = c->log[i] ?
			__atomic_exchange_n(&c->log[i], 0, __ATOMIC_SEQ_CST) : 0;

		for (bit = 0; bit < WORD_BITS; bit++) {
			size_t at = (i * WORD_BITS + bit - first) * PAGE;

			if (!(word >> bit & 1) || at >= c->mem.size)
				continue;
			memcpy(m->copy + at, c->mem.hva + at, PAGE);
			m->pages++;
		}
	}
	m->passes++;
}

void *vhdb_migrate(void *migration)
{
	struct vhdb_migration *m = migration;

	while (!atomic_load(&m->stop)) {
		vhdb_migration_pass(m);
		sched_yield();
	}
	return NULL;
}

bool vhdb_migration_same(const struct vhdb_migration *m, __u64 gpa,
			 size_t bytes)
{
	size_t off = gpa - m->c->mem.iova;

	return !memcmp(m->copy + off, m->c->mem.hva + off, bytes);
}
