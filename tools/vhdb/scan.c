// SPDX-License-Identifier: GPL-2.0
/*
 * Which devices are in use. A device is an open file of some process; /proc
 * tells which, and its fdinfo the device's number.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vhdb.h"

/* fdinfo of an attached device; false for what is none */
static bool read_fdinfo(struct vhdb_live *live)
{
	char path[64], line[512], *value;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", live->pid, live->fd);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		value = strchr(line, '\t');
		if (!value)
			continue;
		*value++ = '\0';
		if (!strcmp(line, "vhdb-id:")) {
			live->id = strtoul(value, NULL, 10);
			found = true;
		} else if (!strcmp(line, "vhdb-queues:")) {
			live->queues = strtoul(value, NULL, 10);
		} else if (!strcmp(line, "vhdb-backend:")) {
			snprintf(live->backend, sizeof(live->backend), "%.15s",
				 value);
		} else if (!strcmp(line, "vhdb-backing:")) {
			snprintf(live->backing, sizeof(live->backing), "%s",
				 value);
		} else if (!strcmp(line, "vhdb-node:")) {
			snprintf(live->node, sizeof(live->node), "%.63s", value);
		}
	}
	fclose(f);
	return found;
}

/* One file may be open in many processes: the first one will do. */
static void add(struct vhdb_lives *lives, const struct vhdb_live *live)
{
	size_t i;

	for (i = 0; i < lives->count; i++)
		if (lives->live[i].id == live->id)
			return;
	lives->live = realloc(lives->live,
			      (lives->count + 1) * sizeof(*lives->live));
	if (!lives->live)
		vhdb_out_of_memory();
	lives->live[lives->count++] = *live;
}

static void scan_process(struct vhdb_lives *lives, pid_t pid)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir) {
		lives->hidden |= errno == EACCES || errno == EPERM;
		return;
	}
	while ((entry = readdir(dir))) {
		struct vhdb_live live = { .pid = pid };
		struct stat st;

		if (entry->d_name[0] == '.' ||
		    fstatat(dirfd(dir), entry->d_name, &st, 0) ||
		    !S_ISCHR(st.st_mode))
			continue;
		/* The control node's or a named one's: that has the line */
		live.fd = atoi(entry->d_name);
		if (read_fdinfo(&live))
			add(lives, &live);
	}
	closedir(dir);
}

static int by_id(const void *a, const void *b)
{
	const struct vhdb_live *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/**
 * vhdb_scan() - look for all devices
 * @lives: filled, by number; @lives->live is the caller's to free
 *
 * Return: 0; -1 after a message.
 */
int vhdb_scan(struct vhdb_lives *lives)
{
	struct dirent *entry;
	struct stat st;
	DIR *proc;

	memset(lives, 0, sizeof(*lives));
	if (stat(VHDB_DEVICE, &st)) {
		vhdb_error("there is no " VHDB_DEVICE ": %s", strerror(errno));
		vhdb_hint("load the driver: `modprobe vhost_doorbell_blk` as root");
		return -1;
	}
	proc = opendir("/proc");
	if (!proc) {
		vhdb_error("cannot read /proc: %s", strerror(errno));
		return -1;
	}
	while ((entry = readdir(proc)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			scan_process(lives, atoi(entry->d_name));
	closedir(proc);
	if (lives->count)
		qsort(lives->live, lives->count, sizeof(*lives->live), by_id);
	return 0;
}

/**
 * vhdb_command_of() - what a process calls itself
 * @pid: the process
 * @name: out
 * @len: bytes of @name
 */
void vhdb_command_of(pid_t pid, char *name, size_t len)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (!f || !fgets(name, len, f))
		snprintf(name, len, "?");
	name[strcspn(name, "\n")] = '\0';
	if (f)
		fclose(f);
}
