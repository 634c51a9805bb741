/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The back end "bell". As in vhdb_dev.h: 0 (or a value) is success, -errno
 * failure; but vhdb_bell_expect() says what it saw instead.
 */
#ifndef VHDB_BELL_H
#define VHDB_BELL_H

#include <stdbool.h>
#include <linux/types.h>
#include <linux/vhost_doorbell.h>

#include "../modules/vhdb_bell_test_mod.h"

/* A struct for a bell with everything else zero */
void vhdb_bell_attach_init(struct vhost_doorbell_attach *attach);
/* Open and attach, its module loaded: the file descriptor, or -errno */
int vhdb_bell_open(void);

int __vhdb_bell_hook(int fd, int eventfd);
int __vhdb_bell_ring(int fd);
int __vhdb_bell_call(int fd, int eventfd, __u32 every);
int vhdb_bell_count(int fd, bool reset, struct vhost_doorbell_bell_count *count);
/* Rings by eventfd, by ioctl, by the kernel: 0, or -EILSEQ if they are others */
int vhdb_bell_expect(int fd, __u64 eventfd, __u64 ioctl, __u64 kernel);
/*
 * Take the call eventfd's signals, once none is under way and none can follow:
 * there is no call eventfd afterwards.
 */
__u64 vhdb_bell_calls(int fd, int call);

/* Write @n to an eventfd */
int vhdb_eventfd_add(int eventfd, __u64 n);

/*
 * The test module, which rings from within the kernel. Load it and open its
 * device: the file descriptor, -ENOENT if it is not at hand, or -errno.
 */
#define VHDB_MODULE_BELL_TEST	"vhdb_bell_test_mod"

int vhdb_bell_mod_open(void);
int vhdb_bell_mod_get(int mod, int fd);
int vhdb_bell_mod_put(int mod);
int vhdb_bell_mod_ring(int mod, __u32 rings, enum bell_test_context context);

#endif /* VHDB_BELL_H */
