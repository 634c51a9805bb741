// SPDX-License-Identifier: GPL-2.0
/*
 * Devices in use: vhdb list, stat, resize. To ask one something, its file is
 * borrowed from the process that has it (pidfd_getfd(2)).
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vhdb.h"

/* The device that a word names, or all: *count of them. NULL after a message. */
static struct vhdb_live *find(struct vhdb_lives *lives, const char *word, size_t *count)
{
	unsigned long id;
	char *end;
	size_t i;

	*count = lives->count;
	if (!word)
		return lives->live;
	for (i = 0; i < lives->count; i++) {
		if (!strcmp(lives->live[i].node, word)) {
			*count = 1;
			return &lives->live[i];
		}
	}
	id = strtoul(word, &end, 10);
	if (*word < '0' || *word > '9' || *end) {
		vhdb_error("'%s' is neither a device's number nor a node in use", word);
		vhdb_hint("`vhdb list` shows them");
		return NULL;
	}
	for (i = 0; i < lives->count; i++) {
		if (lives->live[i].id == id) {
			*count = 1;
			return &lives->live[i];
		}
	}
	vhdb_error("there is no device %lu", id);
	vhdb_hint("%s", lives->hidden ?
		  "some processes cannot be looked at: run it as root" :
		  "`vhdb list` shows what there is");
	return NULL;
}

/* Its file, as one of ours. -1 after a message. */
static int borrow(const struct vhdb_live *live)
{
	int pidfd = syscall(SYS_pidfd_open, live->pid, 0), fd = -1, err = errno;

	if (pidfd >= 0) {
		fd = syscall(SYS_pidfd_getfd, pidfd, live->fd, 0);
		err = errno;
		close(pidfd);
	}
	if (fd >= 0)
		return fd;
	vhdb_error("device %u: cannot get it from process %d: %s", live->id,
		   live->pid, strerror(err));
	if (err == EPERM)
		vhdb_hint("run it as root");
	return -1;
}

/**
 * vhdb_list() - vhdb list
 * @argc: words
 * @argv: the command and its arguments
 *
 * Return: exit status.
 */
int vhdb_list(int argc, char **argv)
{
	struct vhdb_lives lives;
	size_t i;

	(void)argv;
	if (argc > 1) {
		vhdb_error("list takes no argument");
		return VHDB_EXIT_USAGE;
	}
	if (vhdb_scan(&lives) < 0)
		return VHDB_EXIT_FAILURE;
	printf("%6s %8s %-16s %-8s %6s  %s\n", "device", "pid", "command",
	       "back-end", "queues", "backing");
	for (i = 0; i < lives.count; i++) {
		const struct vhdb_live *live = &lives.live[i];
		char name[32];

		vhdb_command_of(live->pid, name, sizeof(name));
		printf("%6u %8d %-16s %-8s %6u  %s\n", live->id, live->pid, name,
		       live->backend, live->queues,
		       *live->backing ? live->backing : "-");
	}
	if (lives.hidden)
		vhdb_warn("some processes cannot be looked at: run it as root to see all");
	vhdb_node_list(&lives);
	free(lives.live);
	return 0;
}

/**
 * vhdb_resize() - vhdb resize
 * @argc: words
 * @argv: the command and its arguments
 *
 * Return: exit status.
 */
int vhdb_resize(int argc, char **argv)
{
	struct vhost_doorbell_update update = { .size = sizeof(update) };
	struct vhdb_lives lives;
	struct vhdb_live *live;
	size_t count;
	int fd, err;

	if (argc != 2) {
		vhdb_error("resize takes the number of a device");
		vhdb_hint("`vhdb list` shows them");
		return VHDB_EXIT_USAGE;
	}
	if (vhdb_scan(&lives) < 0)
		return VHDB_EXIT_FAILURE;
	live = find(&lives, argv[1], &count);
	fd = live ? borrow(live) : -1;
	if (fd < 0) {
		free(lives.live);
		return VHDB_EXIT_FAILURE;
	}

	err = ioctl(fd, VHOST_DOORBELL_UPDATE, &update) ? errno : 0;
	close(fd);
	if (!err) {
		printf("device %u: %llu bytes\n", live->id,
		       (unsigned long long)update.bytes);
	} else {
		vhdb_error("device %u: cannot be resized: %s", live->id,
			   strerror(err));
		if (err == EFBIG)
			vhdb_hint("the guest's disk does not shrink: make '%s' larger again",
				  live->backing);
		else if (err == EOPNOTSUPP)
			vhdb_hint("the back end '%s' has no size", live->backend);
		else if (err == ENOTTY)
			vhdb_hint("the driver is older than this vhdb: load its own");
	}
	free(lives.live);
	return err ? VHDB_EXIT_FAILURE : 0;
}

static int parse_count(const char *word, unsigned int *n)
{
	char *end;
	unsigned long value = strtoul(word, &end, 10);

	if (*word < '0' || *word > '9' || *end || !value || value > 1000000) {
		vhdb_error("'%s' is not a number of 1 or more", word);
		return -1;
	}
	*n = value;
	return 0;
}

/* Counters of all of them since their beginning, a line each */
static int stat_once(const struct vhdb_live *live, size_t count)
{
	int bad = 0;
	size_t i;

	vhdb_stats_heading(stdout);
	for (i = 0; i < count; i++) {
		int fd = borrow(&live[i]);
		char id[16];

		snprintf(id, sizeof(id), "%u", live[i].id);
		if (fd < 0) {
			bad = VHDB_EXIT_FAILURE;
			continue;
		}
		vhdb_stats_rows(stdout, id, fd, live[i].queues);
		close(fd);
	}
	return bad;
}

/* As vmstat does it: what each interval had, a line for each device */
static int stat_each(const struct vhdb_live *live, size_t count,
		     unsigned int interval, unsigned int times)
{
	struct vhdb_stats_rate *rate = vhdb_alloc(count + 1, sizeof(*rate));
	unsigned int round;
	size_t i;
	int bad = 0;

	for (i = 0; i < count; i++) {
		rate[i].fd = borrow(&live[i]);
		rate[i].id = live[i].id;
		if (rate[i].fd < 0)
			bad = VHDB_EXIT_FAILURE;
	}
	for (round = 0; !bad && (!times || round <= times); round++) {
		if (round)
			sleep(interval);
		bad = vhdb_stats_rates(stdout, rate, count, round);
		fflush(stdout);
	}
	for (i = 0; i < count; i++)
		if (rate[i].fd >= 0)
			close(rate[i].fd);
	free(rate);
	return bad;
}

/**
 * vhdb_stat() - vhdb stat
 * @argc: words
 * @argv: the command and its arguments
 *
 * Return: exit status.
 */
int vhdb_stat(int argc, char **argv)
{
	unsigned int interval = 0, times = 0;
	struct vhdb_lives lives;
	struct vhdb_live *live;
	size_t count;
	int opt, ret;

	while ((opt = getopt(argc, argv, "+i:n:")) != -1) {
		if (opt != 'i' && opt != 'n')
			return VHDB_EXIT_USAGE;
		if (parse_count(optarg, opt == 'i' ? &interval : &times))
			return VHDB_EXIT_USAGE;
	}
	if (argc - optind > 1 || (times && !interval)) {
		vhdb_error("stat [-i SECONDS [-n TIMES]] [DEVICE]");
		return VHDB_EXIT_USAGE;
	}
	if (vhdb_scan(&lives) < 0)
		return VHDB_EXIT_FAILURE;
	live = find(&lives, argv[optind], &count);
	if (!live && argv[optind])
		ret = VHDB_EXIT_FAILURE;
	else if (interval)
		ret = stat_each(live, count, interval, times);
	else
		ret = stat_once(live, count);
	free(lives.live);
	return ret;
}
