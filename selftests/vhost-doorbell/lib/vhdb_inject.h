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

/* Who fails */
struct vhdb_inject {
	int fd;				/* this thread's */
	int worker_fd;
	unsigned int worker_nth;	/* which failure a worker shall have */
	bool worker_failed;		/* whether it had it */
};

int vhdb_inject_init(struct vhdb_inject *inject);
void vhdb_inject_free(struct vhdb_inject *inject);
/* The @nth one from now on fails in this thread; 0: none */
void vhdb_inject_set(struct vhdb_inject *inject, unsigned int nth);
/* Ends it: has there been a failure? */
bool vhdb_inject_end(struct vhdb_inject *inject);

/*
 * Around what a device's first worker does, within a step whose failures are the
 * worker's. In between: has it failed?
 */
int vhdb_inject_worker(struct vhdb_inject *inject);
bool vhdb_inject_worker_hit(const struct vhdb_inject *inject);
void vhdb_inject_worker_end(struct vhdb_inject *inject);

/* Each test's own */
struct life;

struct vhdb_step {
	const char *name;
	int (*fn)(struct life *life);
	bool worker;			/* the failures are the worker's */
};

#define VHDB_STEP(text, function)	{ .name = text, .fn = function }
#define VHDB_REQUEST(text, function)	\
	{ .name = text, .fn = function, .worker = true }

/*
 * A life in steps, again and again, until each failure of each step was made. A
 * step that fails has to say -ENOMEM or -EFAULT, and is taken again, with its next
 * failure; the last time, without one, it has to succeed. One that succeeds in spite
 * of a failure has its next one in the next life. What does wrong is told on stdout.
 *
 * The number of failures made, or -1.
 */
int vhdb_inject_rounds(struct vhdb_inject *inject, struct life *life,
		       const struct vhdb_step *steps, unsigned int nr);

#endif /* VHDB_INJECT_H */
