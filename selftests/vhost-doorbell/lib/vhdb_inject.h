/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Failures on purpose: of allocations, and of copies from and to user memory
 * (/proc/PID/fail-nth, with failslab, fail_page_alloc and fail_usercopy at
 * once). The debug kernel has them.
 */
#ifndef VHDB_INJECT_H
#define VHDB_INJECT_H

#include <stdbool.h>
#include <sys/types.h>

/* NULL, or why no failures can be had here; sets the kernel's knobs */
const char *vhdb_inject_missing(void);
/* What @tid, a thread of this process, shall fail in: a file, or -1 */
int vhdb_inject_open(pid_t tid);
/* The @nth one from now on fails, in the thread of @fd; 0: none */
void vhdb_inject_set(int fd, unsigned int nth);
/* Ends it: has there been a failure? */
bool vhdb_inject_end(int fd);

/*
 * A life in steps. In each round every step's next failure is made, and then the
 * step is taken again, without one; until no step has a failure left.
 *
 * @take takes a step of @life with its failure number @nth (0: none) and says
 * whether there was one; *@ret is the step's own result. A step that fails has to
 * say -ENOMEM or -EFAULT, and to succeed when it is taken again. What does not is
 * told on stdout.
 *
 * The number of failures made, or -1.
 */
struct vhdb_inject_life {
	void *life;
	unsigned int steps;
	const char *(*name)(unsigned int step);
	bool (*take)(void *life, unsigned int step, unsigned int nth, int *ret);
};

int vhdb_inject_rounds(const struct vhdb_inject_life *l);

#endif /* VHDB_INJECT_H */
