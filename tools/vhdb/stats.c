// SPDX-License-Identifier: GPL-2.0
/* The driver's counters as a table: for people, and for awk. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "vhdb.h"

static const struct column {
	const char *name;
	int width;
	size_t offset;
} columns[] = {
#define COLUMN(field, width) \
	{ #field, width, offsetof(struct vhost_doorbell_stats, field) }
	COLUMN(kicks, 10),
	COLUMN(wakeups, 10),
	COLUMN(requests, 10),
	COLUMN(completions, 12),
	COLUMN(bytes_read, 13),
	COLUMN(bytes_written, 14),
	COLUMN(signals, 10),
	COLUMN(signals_suppressed, 19),
	COLUMN(errors, 7),
	COLUMN(bounced, 8),
	COLUMN(broken, 7),
#undef COLUMN
};

static void print_row(FILE *out, const struct vhdb_blk *blk, __u32 queue)
{
	struct vhost_doorbell_stats stats = {
		.size = sizeof(stats),
		.queue = queue,
	};
	size_t i;

	if (ioctl(blk->device_fd, VHOST_DOORBELL_GET_STATS, &stats) < 0) {
		fprintf(out, "# %s: no counters: %s\n", blk->id, strerror(errno));
		return;
	}

	fprintf(out, "%-10s ", blk->id);
	if (queue == VHOST_DOORBELL_ALL_QUEUES)
		fprintf(out, "%5s", "all");
	else
		fprintf(out, "%5u", queue);

	for (i = 0; i < ARRAY_SIZE(columns); i++) {
		const __u64 *value = (const void *)((const char *)&stats +
						    columns[i].offset);

		fprintf(out, " %*llu", columns[i].width,
			(unsigned long long)*value);
	}
	fputc('\n', out);
}

/**
 * vhdb_stats_print() - print the counters of all disks
 * @out: where to
 * @when: a word for the heading
 * @blks: the disks, attached
 * @count: how many
 *
 * A snapshot ends with a line "# end", so that a reader knows it is whole.
 */
void vhdb_stats_print(FILE *out, const char *when, const struct vhdb_blk *blks,
		      size_t count)
{
	struct timespec now;
	unsigned int queue;
	size_t i;

	clock_gettime(CLOCK_MONOTONIC, &now);
	fprintf(out, "# vhdb stats at %lld.%03ld s, %s\n",
		(long long)now.tv_sec, now.tv_nsec / 1000000, when);

	fprintf(out, "%-10s %5s", "disk", "queue");
	for (i = 0; i < ARRAY_SIZE(columns); i++)
		fprintf(out, " %*s", columns[i].width, columns[i].name);
	fputc('\n', out);

	for (i = 0; i < count; i++) {
		unsigned int queues = blks[i].queues ? blks[i].queues : 1;

		for (queue = 0; queue < queues; queue++)
			print_row(out, &blks[i], queue);
		print_row(out, &blks[i], VHOST_DOORBELL_ALL_QUEUES);
	}
	fprintf(out, "# end\n");
	fflush(out);
}
