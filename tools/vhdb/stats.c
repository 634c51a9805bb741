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
	COLUMN(unsupported, 11),
	COLUMN(no_space, 8),
	COLUMN(bounced, 8),
	COLUMN(broken, 7),
	COLUMN(throttled, 9),
	COLUMN(polls, 10),
	COLUMN(poll_hits, 10),
	COLUMN(poll_ns, 13),
#undef COLUMN
};

static int get(int fd, __u32 queue, struct vhost_doorbell_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->size = sizeof(*stats);
	stats->queue = queue;
	return ioctl(fd, VHOST_DOORBELL_GET_STATS, stats) < 0 ? errno : 0;
}

static void print_row(FILE *out, const char *id, int fd, __u32 queue)
{
	struct vhost_doorbell_stats stats;
	int err = get(fd, queue, &stats);
	size_t i;

	if (err) {
		fprintf(out, "# %s: no counters: %s\n", id, strerror(err));
		return;
	}

	fprintf(out, "%-10s ", id);
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
 * vhdb_stats_heading() - the names of the counters
 * @out: where to
 */
void vhdb_stats_heading(FILE *out)
{
	size_t i;

	fprintf(out, "%-10s %5s", "disk", "queue");
	for (i = 0; i < ARRAY_SIZE(columns); i++)
		fprintf(out, " %*s", columns[i].width, columns[i].name);
	fputc('\n', out);
}

/**
 * vhdb_stats_rows() - a line for each queue of a device, and one for all
 * @out: where to
 * @id: how it is called
 * @fd: the device
 * @queues: number of queues
 */
void vhdb_stats_rows(FILE *out, const char *id, int fd, unsigned int queues)
{
	unsigned int queue;

	for (queue = 0; queue < queues; queue++)
		print_row(out, id, fd, queue);
	print_row(out, id, fd, VHOST_DOORBELL_ALL_QUEUES);
}

/**
 * vhdb_stats_print() - print the counters of all devices
 * @out: where to
 * @when: a word for the heading
 * @handed: the devices, attached
 * @count: how many
 *
 * A snapshot ends with a line "# end", so that a reader knows it is whole.
 */
void vhdb_stats_print(FILE *out, const char *when,
		      struct vhdb_handed *const *handed, size_t count)
{
	struct timespec now;
	size_t i;

	clock_gettime(CLOCK_MONOTONIC, &now);
	fprintf(out, "# vhdb stats at %lld.%03ld s, %s\n",
		(long long)now.tv_sec, now.tv_nsec / 1000000, when);
	vhdb_stats_heading(out);
	for (i = 0; i < count; i++)
		vhdb_stats_rows(out, handed[i]->id, handed[i]->device_fd,
				handed[i]->queues ? handed[i]->queues : 1);
	fprintf(out, "# end\n");
	fflush(out);
}

static void print_rate(FILE *out, const struct vhdb_stats_rate *rate,
		       const struct vhost_doorbell_stats *now, double seconds)
{
	const struct vhost_doorbell_stats *then = &rate->then;
	const double values[] = {
		now->completions - then->completions,
		(now->bytes_read - then->bytes_read) / 1024.0,
		(now->bytes_written - then->bytes_written) / 1024.0,
		now->kicks - then->kicks,
		now->wakeups - then->wakeups,
		now->signals - then->signals,
		now->errors - then->errors,
		now->throttled - then->throttled,
		now->polls - then->polls,
		now->poll_hits - then->poll_hits,
	};
	size_t i;

	fprintf(out, "%6u", rate->id);
	for (i = 0; i < ARRAY_SIZE(values); i++)
		fprintf(out, " %10.0f", values[i] / seconds);
	fputc('\n', out);
}

/**
 * vhdb_stats_rates() - what devices did since the last time, for each second
 * @out: where to
 * @rate: the devices, and what they had done then
 * @count: how many
 * @round: 0 for the first time, which only looks
 *
 * Return: exit status.
 */
int vhdb_stats_rates(FILE *out, struct vhdb_stats_rate *rate, size_t count,
		     unsigned int round)
{
	size_t i;

	/* As often as a screen has lines, more or less */
	if (round % 20 == 0)
		fprintf(out, "%6s %10s %10s %10s %10s %10s %10s %10s %10s %10s %10s\n",
			"device", "requests/s", "read KiB/s", "writ KiB/s",
			"kicks/s", "wakeups/s", "signals/s", "errors/s",
			"throttled", "polls/s", "hits/s");
	for (i = 0; i < count; i++) {
		struct vhost_doorbell_stats now;
		struct timespec ts;
		double at;
		int err = get(rate[i].fd, VHOST_DOORBELL_ALL_QUEUES, &now);

		if (err) {
			vhdb_error("device %u: no counters: %s", rate[i].id,
				   strerror(err));
			return VHDB_EXIT_FAILURE;
		}
		clock_gettime(CLOCK_MONOTONIC, &ts);
		at = ts.tv_sec + ts.tv_nsec / 1e9;
		if (round)
			print_rate(out, &rate[i], &now, at - rate[i].at);
		rate[i].then = now;
		rate[i].at = at;
	}
	return 0;
}
