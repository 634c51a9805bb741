/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The block device of modules/vhdb_disk_test_mod.c: loaded, and its knobs. It
 * tells what the disk on it has asked for, fails, stalls and changes its size.
 */
#ifndef VHDB_TESTDISK_H
#define VHDB_TESTDISK_H

#define VHDB_TESTDISK		"/dev/vhdb_test"
#define VHDB_TESTDISK_GRANULE	8	/* sectors */
#define VHDB_TESTDISK_LIMIT	8192	/* sectors of a discard and its like */
#define VHDB_TESTDISK_SECTORS	65536	/* its size when it is loaded */

/* enum req_op of the kernel */
#define VHDB_OP_NONE		(-1)
#define VHDB_OP_READ		0
#define VHDB_OP_WRITE		1
#define VHDB_OP_DISCARD		3
#define VHDB_OP_SECURE_ERASE	5
#define VHDB_OP_WRITE_ZEROES	9

/* Loads the module and opens the device: -ENODEV if the module is not there */
int vhdb_testdisk_open(void);
/* Closes it; nothing uses it any more. 0 or -errno */
int vhdb_testdisk_close(int fd);
/* A knob or counter, by its name: 0 or -errno, and the value */
int vhdb_testdisk_set(const char *name, long value);
long vhdb_testdisk_get(const char *name);

#endif /* VHDB_TESTDISK_H */
