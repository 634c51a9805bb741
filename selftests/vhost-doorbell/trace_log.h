/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What our tracepoints have told, in an instance of our own, so that nobody
 * else's tracing is disturbed. To be included behind the harness, once.
 */
#ifndef TRACE_LOG_H
#define TRACE_LOG_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#define TRACE_INSTANCE	"/sys/kernel/tracing/instances/vhdb-test"
#define TRACE_LOG	65536

static inline int trace_put(const char *file, const char *text)
{
	char path[256];
	int fd, ret;

	snprintf(path, sizeof(path), TRACE_INSTANCE "/%s", file);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* From here on, with nothing in it */
static inline int trace_start(void)
{
	int ret = mkdir(TRACE_INSTANCE, 0700) && errno != EEXIST ? -errno : 0;

	if (!ret)
		ret = trace_put("trace", "");
	return ret ? ret : trace_put("events/vhost_doorbell/enable", "1");
}

static inline int trace_end(void)
{
	int ret = trace_put("events/vhost_doorbell/enable", "0");

	return rmdir(TRACE_INSTANCE) ? -errno : ret;
}

/* What there is, in @log */
static inline void trace_read(char log[TRACE_LOG])
{
	int fd = open(TRACE_INSTANCE "/trace", O_RDONLY);
	ssize_t got, len = 0;

	while (len < TRACE_LOG - 1 &&
	       (got = read(fd, log + len, TRACE_LOG - 1 - len)) > 0)
		len += got;
	close(fd);
	log[len] = 0;
}

/* How many lines of the trace have @text in them? */
static inline unsigned int trace_count(char log[TRACE_LOG], const char *text)
{
	unsigned int n = 0;
	char *at;

	trace_read(log);
	for (at = log; (at = strstr(at, text)); at++)
		n++;
	return n;
}

#endif /* TRACE_LOG_H */
