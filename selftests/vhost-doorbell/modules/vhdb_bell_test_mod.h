/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What vhdb_bell_test_mod does for a test: /dev/vhdb-bell-test. Each open file
 * holds one bell at the most.
 */
#ifndef VHDB_BELL_TEST_MOD_H
#define VHDB_BELL_TEST_MOD_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define BELL_TEST_PATH		"/dev/vhdb-bell-test"

/* Where the module rings from */
enum bell_test_context {
	BELL_TEST_PROCESS,
	BELL_TEST_LOCKED,	/* interrupts off, a spinlock held */
	BELL_TEST_INTERRUPT,	/* a hard interrupt */
};

struct bell_test_ring {
	__u32 rings;
	__u32 context;
};

/* What a struct vhdb_backend lacks when it is registered */
enum bell_test_backend {
	BELL_TEST_WHOLE_PLAIN,	/* nothing: no queues, an ioctl */
	BELL_TEST_WHOLE_QUEUES,	/* nothing: queues, no ioctl */
	BELL_TEST_NOTHING,	/* neither queues nor an ioctl */
	BELL_TEST_NO_RUN,	/* queues, and nobody who serves them */
	BELL_TEST_NO_REQUEST,	/* queues, and no room for the core's request */
	BELL_TEST_TOO_MANY,	/* queues, more than a device can have */
};

/* The file's bell: vhdb_bell_get() of a file descriptor. -EBUSY: it has one. */
#define BELL_TEST_GET		_IOW(0xd9, 0, __s32)
/* vhdb_bell_put(); -ENODEV: it has none. So does the last close. */
#define BELL_TEST_PUT		_IO(0xd9, 1)
#define BELL_TEST_RING		_IOW(0xd9, 2, struct bell_test_ring)
/* Register a back end, and unregister it: enum bell_test_backend by value */
#define BELL_TEST_REGISTER	_IO(0xd9, 3)

#endif /* VHDB_BELL_TEST_MOD_H */
