/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a VMM does that migrates a guest: a second copy of the memory is kept up to
 * date by nothing but the dirty log, which is read and cleared while the device is
 * at work.
 */
#ifndef VHDB_MIGRATION_H
#define VHDB_MIGRATION_H

#include <stdatomic.h>

#include "vhdb_classic.h"

struct vhdb_migration {
	struct vhdb_classic *c;
	__u8 *copy;			/* of all of the memory */
	unsigned int passes;
	unsigned long pages;
	atomic_bool stop;
};

/* Sends what is dirty: cleared first, read then */
void vhdb_migration_pass(struct vhdb_migration *m);
/* A thread that does so until @stop */
void *vhdb_migrate(void *migration);
/* Are @bytes from @gpa on the same in both? */
bool vhdb_migration_same(const struct vhdb_migration *m, __u64 gpa,
			 size_t bytes);

#endif /* VHDB_MIGRATION_H */
