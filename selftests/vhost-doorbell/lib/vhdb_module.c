// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel modules; see vhdb_module.h.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vhdb_dev.h"
#include "vhdb_module.h"

/* The @n'th module that stands on @name, to @holder: true if there is one */
static bool module_holder(const char *name, unsigned int n, char *holder,
			  size_t len)
{
	struct dirent *entry;
	bool found = false;
	char path[128];
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/module/%s/holders", name);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || n--)
			continue;
		snprintf(holder, len, "%s", entry->d_name);
		found = true;
	}
	if (dir)
		closedir(dir);
	return found;
}

long vhdb_module_users(const char *name)
{
	char path[128], holder[256];
	long users = 0;
	unsigned int n;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", name);
	file = fopen(path, "re");
	if (file) {
		if (fscanf(file, "%ld", &users) != 1)
			users = 0;
		fclose(file);
	}
	for (n = 0; module_holder(name, n, holder, sizeof(holder)); n++)
		users--;
	return users;
}

bool vhdb_module_loaded(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", name);
	return !access(path, F_OK);
}

int vhdb_module_delete(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

int vhdb_module_delete_holders(const char *name)
{
	char holder[256];
	int ret = 0;

	while (!ret && module_holder(name, 0, holder, sizeof(holder)))
		ret = vhdb_module_delete(holder);
	return ret;
}

bool vhdb_module_refused(int ret)
{
	return ret == -EBUSY || ret == -EWOULDBLOCK;
}

static int module_path(char *path, size_t len, const char *name)
{
	const char *dir = getenv("VHDB_MODULES");

	if (!dir)
		return -ENOENT;
	snprintf(path, len, "%s/%s.ko", dir, name);
	return 0;
}

bool vhdb_module_at_hand(const char *name)
{
	char path[512];

	if (!module_path(path, sizeof(path), name))
		return !access(path, R_OK);
	snprintf(path, sizeof(path), "--dry-run %s", name);
	return !vhdb_modprobe(path);
}

int vhdb_module_load(const char *name)
{
	char path[512];
	int fd, ret;

	if (module_path(path, sizeof(path), name))
		return vhdb_modprobe(name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return ret;
}
