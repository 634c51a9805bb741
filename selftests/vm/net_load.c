// SPDX-License-Identifier: GPL-2.0
/*
 * Traffic between a guest and its host, checked: each byte is known by where it is
 * in the stream. Static, so that it runs in a guest that has nothing else.
 *
 *   net_load serve PORT                the other side of all the rest
 *   net_load push HOST PORT BYTES      by TCP, to the other side
 *   net_load pull HOST PORT BYTES      by TCP, from there
 *   net_load echo HOST PORT FROM TO STEP   by UDP, each size there and back
 *   net_load udp HOST PORT SIZE COUNT  by UDP, as fast as it goes, to there
 *   net_load hold PORT                 leaves what comes by UDP where it is
 *   net_load burst HOST PORT SIZE COUNT  by UDP, to who holds it
 *   net_load offload INTERFACE 0|1     segmentation and checksums by the device
 *
 * A line tells what came of it; exit status 1 if a byte was wrong or missing (of
 * udp and hold, datagrams may be). At SIGTERM push and pull end where they are, and
 * hold looks at what it has.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <linux/types.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK		65536
#define DATAGRAM_MAX	65507
#define ECHO_WAIT_MS	10000

/* What a TCP client asks for, and what is answered. */
struct order {
	char what[8];		/* "push" or "pull" */
	__u64 bytes;
};

struct answer {
	__u64 good;		/* bytes up to the first wrong one */
};

/* In front of a datagram. */
struct head {
	char what[4];		/* "echo", "load", "tell", "hold" */
	__u32 number;
};

/* Told to end. */
static atomic_bool enough;

static void end(int sig)
{
	atomic_store(&enough, sig == SIGTERM);
}

static void die(const char *what)
{
	fprintf(stderr, "net_load: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* Words of a stream, by where they are; no two near each other are the same. */
static void fill(void *buf, __u64 at, size_t bytes)
{
	__u64 *word = buf;
	size_t i;

	for (i = 0; i < bytes / 8; i++)
		word[i] = (at / 8 + i) * 0x9e3779b97f4a7c15ULL;
}

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(atoi(port)),
	};

	if (host && !inet_aton(host, &addr.sin_addr)) {
		errno = EINVAL;
		die(host);
	}
	return addr;
}

static bool write_all(int fd, const void *buf, size_t bytes)
{
	const char *p = buf;

	while (bytes) {
		ssize_t n = send(fd, p, bytes, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p += n;
		bytes -= n;
	}
	return true;
}

static bool read_all(int fd, void *buf, size_t bytes)
{
	char *p = buf;

	while (bytes) {
		ssize_t n = recv(fd, p, bytes, MSG_WAITALL);

		if (n <= 0)
			return false;
		p += n;
		bytes -= n;
	}
	return true;
}

/* The size of the piece at @at; 0 at the end, which may be here and now. */
static size_t piece(__u64 at, __u64 *bytes)
{
	if (atomic_load(&enough))
		*bytes = at;
	return *bytes - at < CHUNK ? *bytes - at : CHUNK;
}

static bool send_stream(int fd, __u64 *bytes)
{
	static __u64 buf[CHUNK / 8];
	size_t n;
	__u64 at;

	for (at = 0; (n = piece(at, bytes)); at += n) {
		fill(buf, at, CHUNK);
		if (!write_all(fd, buf, n))
			return false;
	}
	return true;
}

/* How many bytes came as they should. */
static __u64 check_stream(int fd, __u64 *bytes)
{
	static __u64 buf[CHUNK / 8], want[CHUNK / 8];
	size_t n;
	__u64 at;

	for (at = 0; (n = piece(at, bytes)); at += n) {
		fill(want, at, CHUNK);
		if (!read_all(fd, buf, n) || memcmp(buf, want, n))
			break;
	}
	return at;
}

/* --- the other side --- */

static void serve_one(int fd)
{
	struct order order;
	struct answer answer;

	if (!read_all(fd, &order, sizeof(order)))
		return;
	if (!strncmp(order.what, "pull", sizeof(order.what))) {
		send_stream(fd, &order.bytes);
		return;
	}
	answer.good = check_stream(fd, &order.bytes);
	write_all(fd, &answer, sizeof(answer));
}

static void serve_datagrams(int fd)
{
	static char buf[65536];
	struct head *head = (void *)buf;
	__u32 got = 0;

	for (;;) {
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0,
				     (struct sockaddr *)&from, &len);

		if (n < (ssize_t)sizeof(*head))
			continue;
		if (!memcmp(head->what, "load", 4)) {
			got++;
			continue;
		}
		if (!memcmp(head->what, "tell", 4)) {
			head->number = got;
			got = 0;
		}
		sendto(fd, buf, n, 0, (struct sockaddr *)&from, len);
	}
}

static int serve(const char *port)
{
	struct sockaddr_in addr = address(NULL, port);
	int on = 1, size = 4 << 20, tcp, udp, fd;

	signal(SIGCHLD, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	setsockopt(udp, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(udp, (struct sockaddr *)&addr, sizeof(addr)))
		die("bind");
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve_datagrams(udp);
	}
	tcp = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(tcp, (struct sockaddr *)&addr, sizeof(addr)) || listen(tcp, 8))
		die("listen");
	for (;;) {
		fd = accept(tcp, NULL, NULL);
		if (fd < 0)
			continue;
		if (!fork()) {
			serve_one(fd);
			_exit(0);
		}
		close(fd);
	}
}

/* --- this side --- */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int stream(const char *what, const char *host, const char *port,
		  __u64 bytes)
{
	struct sockaddr_in addr = address(host, port);
	struct order order = { .bytes = bytes };
	struct answer answer = {};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	double from = now();

	snprintf(order.what, sizeof(order.what), "%s", what);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("connect");
	if (!write_all(fd, &order, sizeof(order)))
		die("send");
	if (!strcmp(what, "pull"))
		answer.good = check_stream(fd, &bytes);
	else if (!send_stream(fd, &bytes) || shutdown(fd, SHUT_WR) ||
		 !read_all(fd, &answer, sizeof(answer)))
		die("push");
	printf("%s %llu of %llu bytes right, %.1f MB/s\n", what,
	       (unsigned long long)answer.good, (unsigned long long)bytes,
	       bytes / (now() - from) / 1e6);
	return answer.good != bytes;
}

static int udp_socket(const char *host, const char *port)
{
	struct sockaddr_in addr = address(host, port);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("connect");
	return fd;
}

/* Is the same back, in time? */
static bool echoed(int fd, const char *want, char *buf, ssize_t size)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	while (poll(&pfd, 1, ECHO_WAIT_MS) == 1) {
		ssize_t n = recv(fd, buf, DATAGRAM_MAX, 0);

		/* An answer that comes late is another one's. */
		if (n == size && !memcmp(buf, want, sizeof(struct head)))
			return !memcmp(buf, want, size);
		if (n < 0)
			return false;
	}
	return false;
}

static int echo(const char *host, const char *port, int from, int to, int step)
{
	static __u64 want[8192 + 1], got[8192 + 1];
	struct head *head = (void *)want;
	int fd = udp_socket(host, port);
	int size, sent = 0, lost = 0;

	for (size = from; size <= to && size <= DATAGRAM_MAX; size += step) {
		if (size < (int)sizeof(*head))
			continue;
		fill(want, size * 8, sizeof(want));
		memcpy(head->what, "echo", 4);
		head->number = size;
		sent++;
		if (send(fd, want, size, 0) != size ||
		    !echoed(fd, (char *)want, (char *)got, size))
			lost++;
	}
	printf("%d sent, %d lost\n", sent, lost);
	return lost != 0;
}

static int load(const char *host, const char *port, int size, int count)
{
	static char buf[65536];
	struct head *head = (void *)buf;
	struct pollfd pfd = { .events = POLLIN };
	double from = now(), took;
	int i, sent = 0;

	pfd.fd = udp_socket(host, port);
	memcpy(head->what, "load", 4);
	for (i = 0; i < count; i++)
		sent += send(pfd.fd, buf, size, 0) == size;
	took = now() - from;
	memcpy(head->what, "tell", 4);
	for (i = 0; i < 5; i++) {
		send(pfd.fd, buf, sizeof(*head), 0);
		if (poll(&pfd, 1, ECHO_WAIT_MS) == 1 &&
		    recv(pfd.fd, buf, sizeof(buf), 0) > 0) {
			printf("udp %d sent, %u got, %.0f a second\n", sent,
			       head->number, sent / took);
			return !head->number;
		}
	}
	printf("udp %d sent, no answer\n", sent);
	return 1;
}

/* A datagram that tells by its number what is in it. */
static void fill_datagram(void *buf, __u32 number)
{
	struct head *head = buf;

	fill(buf, (__u64)number * CHUNK, CHUNK);
	memcpy(head->what, "hold", 4);
	head->number = number;
}

static int burst(const char *host, const char *port, int size, int count)
{
	static __u64 buf[CHUNK / 8];
	int fd = udp_socket(host, port);
	int i, sent = 0;

	for (i = 0; i < count; i++) {
		fill_datagram(buf, i);
		sent += send(fd, buf, size, 0) == size;
	}
	printf("%d sent\n", sent);
	return sent != count;
}

static int hold(const char *port)
{
	static __u64 buf[CHUNK / 8], want[CHUNK / 8];
	struct sockaddr_in addr = address(NULL, port);
	struct head *head = (void *)buf;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int size = 16 << 20, right = 0, wrong = 0;
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("bind");
	while (!atomic_load(&enough))
		poll(NULL, 0, 100);
	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) >= 0) {
		fill_datagram(want, head->number);
		if (n >= (ssize_t)sizeof(*head) && !memcmp(buf, want, n))
			right++;
		else
			wrong++;
	}
	printf("held %d right, %d wrong\n", right, wrong);
	return !right || wrong;
}

static int offload(const char *name, int on)
{
	/* Segmentation goes with checksums, which it needs */
	static const __u32 off[] = {
		ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO, ETHTOOL_SSG,
		ETHTOOL_STXCSUM,
	};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	unsigned int i, nr = sizeof(off) / sizeof(*off);

	for (i = 0; i < nr; i++) {
		struct ethtool_value value = {
			.cmd = on ? off[nr - 1 - i] : off[i],
			.data = on,
		};
		struct ifreq ifr = { .ifr_data = (void *)&value };

		snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
		if (ioctl(fd, SIOCETHTOOL, &ifr) && errno != EOPNOTSUPP)
			die(name);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	signal(SIGTERM, end);
	if (argc == 3 && !strcmp(what, "serve"))
		return serve(argv[2]);
	if (argc == 5 && (!strcmp(what, "push") || !strcmp(what, "pull")))
		return stream(what, argv[2], argv[3], strtoull(argv[4], NULL, 0));
	if (argc == 7 && !strcmp(what, "echo"))
		return echo(argv[2], argv[3], atoi(argv[4]), atoi(argv[5]),
			    atoi(argv[6]));
	if (argc == 6 && !strcmp(what, "udp"))
		return load(argv[2], argv[3], atoi(argv[4]), atoi(argv[5]));
	if (argc == 3 && !strcmp(what, "hold"))
		return hold(argv[2]);
	if (argc == 6 && !strcmp(what, "burst"))
		return burst(argv[2], argv[3], atoi(argv[4]), atoi(argv[5]));
	if (argc == 4 && !strcmp(what, "offload"))
		return offload(argv[2], atoi(argv[3]));
	fprintf(stderr, "net_load: what is to be done? See the head of its source\n");
	return 2;
}
