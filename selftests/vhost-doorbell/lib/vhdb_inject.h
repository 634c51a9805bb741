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

#endif /* VHDB_INJECT_H */
