// SPDX-License-Identifier: GPL-2.0
/* See vhdb_testdisk.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "vhdb_dev.h"
#include "vhdb_module.h"
#include "vhdb_testdisk.h"

#define MODULE		"vhdb_disk_test_mod"
#define PARAMETERS	"/sys/module/" MODULE "/parameters/"

static int unload(void)
{
	if (!vhdb_module_loaded(MODULE))
		return 0;
	/* A test may have left it stalled. */
	vhdb_testdisk_set("hold_op", VHDB_OP_NONE);
	/* Somebody (udev, say) may be having a last look. */
	return vhdb_wait_for(!vhdb_module_delete(MODULE)) ? 0 : -EBUSY;
}

int vhdb_testdisk_open(void)
{
	int ret, fd;

	/* One that died before it could unload it */
	unload();
	ret = vhdb_module_load(MODULE);
	if (ret)
		return ret == -EEXIST ? -EBUSY : -ENODEV;
	if (!vhdb_wait_for(!access(VHDB_TESTDISK, F_OK)))
		return -ENODEV;
	fd = open(VHDB_TESTDISK, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int vhdb_testdisk_close(int fd)
{
	close(fd);
	return unload();
}

int vhdb_testdisk_set(const char *name, long value)
{
	char path[128], text[24];

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	snprintf(text, sizeof(text), "%ld", value);
	return vhdb_write_file(path, text);
}

long vhdb_testdisk_get(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	return vhdb_file_value(path, "", -1);
}
