// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel tells in small files, and is told in some; see vhdb_dev.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vhdb_dev.h"

int vhdb_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

void vhdb_read_file(const char *path, char *text, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = 0;

	if (fd >= 0) {
		got = read(fd, text, len - 1);
		close(fd);
	}
	text[got > 0 ? got : 0] = '\0';
}

long vhdb_file_value(const char *path, const char *key, long def)
{
	FILE *file = fopen(path, "re");
	size_t len = strlen(key);
	char line[256];

	if (!file)
		return def;
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, key, len)) {
			def = strtol(line + len, NULL, 0);
			break;
		}
	}
	fclose(file);
	return def;
}

long vhdb_pins_held(void)
{
	char text[64];

	/* Reading it folds the processors' own counts into the total */
	vhdb_read_file("/proc/sys/vm/stat_refresh", text, sizeof(text));
	return vhdb_file_value("/proc/vmstat", "nr_foll_pin_acquired ", 0) -
	       vhdb_file_value("/proc/vmstat", "nr_foll_pin_released ", 0);
}
