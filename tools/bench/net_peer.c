// SPDX-License-Identifier: GPL-2.0
/*
 * Thin loads for a network interface, and their other side. What a packet has in it
 * is looked at by nobody, so that what differs between two interfaces is not lost in
 * the cost of the load itself. Static: it has to run in a guest without libraries.
 *
 *	net_peer serve PORT	the other side of all the rest
 *	net_peer push HOST PORT JOBS MS		by TCP, to there: bytes
 *	net_peer pull HOST PORT JOBS MS		by TCP, from there: bytes
 *	net_peer ask HOST PORT JOBS MS		by UDP, there and back: answers
 *	net_peer raw INTERFACE MAC FROM TO PORT JOBS MS
 *		UDP in frames of 64 bytes, past the stack: frames
 *	net_peer count INTERFACE MS	what the interface receives: frames
 *	net_peer taps FD NAME... -- COMMAND...	runs COMMAND with a queue of the tap
 *		NAME open as FD, the next one as FD + 1 and so on; a name that is there
 *		more than once is a tap of so many queues
 *
 * Each of JOBS threads has a processor and a socket of its own. They print
 * "events N ns T p50 T p99 T"; times in ns, the latter two those of answers.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#define JOBS_MAX	16
#define CHUNK		65536
#define ANSWER_MS	1000
#define DRAIN_MS	1000

/* Without the checksum at a frame's end, which Linux does not count. */
#define FRAME		60
#define FLOWS		16
#define BATCH		32

struct frame {
	struct ether_header eth;
	struct iphdr ip;
	struct udphdr udp;
	char payload[FRAME - sizeof(struct ether_header) -
		     sizeof(struct iphdr) - sizeof(struct udphdr)];
} __attribute__((packed));

struct job {
	pthread_t thread;
	unsigned int nr;
	uint64_t events;
	uint64_t last;			/* when it was done */
	struct latencies latencies;
};

static uint64_t start, end;
static struct job jobs[JOBS_MAX];
static char chunk[CHUNK];

/* From the command line. */
static struct sockaddr_in host;
static struct sockaddr_ll interface = {
	.sll_family = AF_PACKET, .sll_halen = ETH_ALEN,
};

static struct frame frame;

static struct sockaddr_in address(const char *name, unsigned int port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_port = htons(port),
	};

	if (name && !inet_aton(name, &addr.sin_addr)) {
		errno = EINVAL;
		die(name);
	}
	return addr;
}

static int connected(int type)
{
	int fd = socket(AF_INET, type, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&host, sizeof(host)))
		die("connect");
	return fd;
}

/* --- the other side ------------------------------------------------------- */

static void serve_stream(int fd)
{
	uint64_t bytes = 0;
	ssize_t n;
	char what;

	if (recv(fd, &what, 1, 0) != 1)
		return;
	if (what == 'o') {
		while (send(fd, chunk, CHUNK, 0) > 0)
			;
		return;
	}
	/* MSG_TRUNC: not even copied */
	while ((n = recv(fd, chunk, CHUNK, MSG_TRUNC)) > 0)
		bytes += n;
	send(fd, &bytes, sizeof(bytes), 0);
}

static int bound(int type, unsigned int port)
{
	struct sockaddr_in addr = address(NULL, port);
	int fd = socket(AF_INET, type, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("bind");
	return fd;
}

static void serve_datagrams(int fd)
{
	for (;;) {
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, chunk, CHUNK, 0,
				     (struct sockaddr *)&from, &len);

		if (n >= 0)
			sendto(fd, chunk, n, 0, (struct sockaddr *)&from, len);
	}
}

static void serve(unsigned int port)
{
	int udp = bound(SOCK_DGRAM, port), tcp = bound(SOCK_STREAM, port), fd;
	/* Frames of raw come here, and nobody reads them: they are counted before. */
	int nobody = bound(SOCK_DGRAM, port + 1), least = 0;

	setsockopt(nobody, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
	signal(SIGCHLD, SIG_IGN);
	if (listen(tcp, JOBS_MAX))
		die("listen");
	if (!fork())
		serve_datagrams(udp);
	for (;;) {
		fd = accept(tcp, NULL, NULL);
		if (fd < 0)
			continue;
		if (!fork()) {
			serve_stream(fd);
			_exit(0);
		}
		close(fd);
	}
}

/* --- loads ---------------------------------------------------------------- */

static void push(struct job *job)
{
	int fd = connected(SOCK_STREAM);

	if (send(fd, "i", 1, 0) != 1)
		die("send");
	while (now() < end)
		if (send(fd, chunk, CHUNK, 0) < 0)
			die("send");
	shutdown(fd, SHUT_WR);
	if (recv(fd, &job->events, sizeof(job->events), MSG_WAITALL) !=
	    sizeof(job->events))
		die("no answer");
}

static void pull(struct job *job)
{
	int fd = connected(SOCK_STREAM);

	if (send(fd, "o", 1, 0) != 1)
		die("send");
	while (now() < end) {
		ssize_t n = recv(fd, chunk, CHUNK, MSG_TRUNC);

		if (n <= 0)
			die("recv");
		job->events += n;
	}
	job->last = now();
	close(fd);
}

static void ask(struct job *job)
{
	int fd = connected(SOCK_DGRAM);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint32_t nr = 0, answer;
	uint64_t t;

	while ((t = now()) < end) {
		nr++;
		if (send(fd, &nr, sizeof(nr), 0) != sizeof(nr))
			die("send");
		do {
			if (poll(&pfd, 1, ANSWER_MS) != 1) {
				errno = ETIMEDOUT;
				die("no answer");
			}
			if (recv(fd, &answer, sizeof(answer), 0) < 0)
				die("recv");
		} while (answer != nr);
		latency_add(&job->latencies, now() - t);
		job->events++;
	}
}

static void make_frames(struct frame *frames, unsigned int job)
{
	uint16_t words[sizeof(struct iphdr) / 2];
	unsigned int i, sum = 0;

	memcpy(words, &frame.ip, sizeof(words));
	for (i = 0; i < sizeof(words) / 2; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	for (i = 0; i < FLOWS; i++) {
		frames[i] = frame;
		frames[i].ip.check = ~(sum + (sum >> 16));
		frames[i].udp.source = htons(10000 + FLOWS * job + i);
	}
}

/* Waits for the interface, so that what is counted has left. */
static void drain(int fd)
{
	uint64_t until = now() + DRAIN_MS * 1000000ULL;
	int left;

	while (!ioctl(fd, SIOCOUTQ, &left) && left && now() < until)
		usleep(100);
}

static void raw(struct job *job)
{
	struct frame frames[FLOWS];
	struct mmsghdr messages[BATCH] = {};
	struct iovec pieces[BATCH];
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	unsigned int i;

	if (fd < 0)
		die("packet socket");
	make_frames(frames, job->nr);
	for (i = 0; i < BATCH; i++) {
		pieces[i].iov_base = &frames[i % FLOWS];
		pieces[i].iov_len = FRAME;
		messages[i].msg_hdr = (struct msghdr){
			.msg_iov = &pieces[i], .msg_iovlen = 1,
			.msg_name = &interface, .msg_namelen = sizeof(interface),
		};
	}
	while (now() < end) {
		int n = sendmmsg(fd, messages, BATCH, 0);

		if (n < 0 && errno != ENOBUFS)
			die("send");
		job->events += n > 0 ? n : 0;
	}
	drain(fd);
}

static uint64_t received(const char *name)
{
	unsigned long long nr;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/rx_packets", name);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%llu", &nr) != 1)
		die(path);
	fclose(file);
	return nr;
}

static void count(const char *name, unsigned long ms)
{
	static const struct latencies none;
	uint64_t from = now(), before = received(name), frames;

	usleep(ms * 1000);
	frames = received(name) - before;
	load_print(frames, now() - from, &none);
}

static void (*load)(struct job *job);

static void *run(void *arg)
{
	struct job *job = arg;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(job->nr % sysconf(_SC_NPROCESSORS_ONLN), &set);
	sched_setaffinity(0, sizeof(set), &set);
	load(job);
	if (!job->last)
		job->last = now();
	return NULL;
}

static void run_jobs(const char *number, const char *ms)
{
	static struct latencies latencies;
	unsigned int i, nr = atoi(number);
	uint64_t events = 0, last = 0;

	if (!nr || nr > JOBS_MAX) {
		errno = EINVAL;
		die(number);
	}
	start = now();
	end = start + strtoull(ms, NULL, 0) * 1000000;
	for (i = 0; i < nr; i++) {
		jobs[i].nr = i;
		if (pthread_create(&jobs[i].thread, NULL, run, &jobs[i]))
			die("no thread");
	}
	for (i = 0; i < nr; i++) {
		pthread_join(jobs[i].thread, NULL);
		events += jobs[i].events;
		latency_sum(&latencies, &jobs[i].latencies);
		if (jobs[i].last > last)
			last = jobs[i].last;
	}
	load_print(events, last - start, &latencies);
}

/* INTERFACE MAC FROM TO PORT */
static void prepare_raw(char **arg)
{
	struct ifreq ifr = {};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	interface.sll_protocol = htons(ETH_P_IP);
	interface.sll_ifindex = if_nametoindex(arg[0]);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", arg[0]);
	if (!interface.sll_ifindex || ioctl(fd, SIOCGIFHWADDR, &ifr))
		die(arg[0]);
	close(fd);
	memcpy(frame.eth.ether_shost, ifr.ifr_hwaddr.sa_data, ETH_ALEN);
	if (!ether_aton_r(arg[1], (struct ether_addr *)frame.eth.ether_dhost)) {
		errno = EINVAL;
		die(arg[1]);
	}
	frame.eth.ether_type = htons(ETH_P_IP);
	frame.ip = (struct iphdr){
		.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP,
		.tot_len = htons(FRAME - sizeof(frame.eth)),
		.saddr = address(arg[2], 0).sin_addr.s_addr,
		.daddr = address(arg[3], 0).sin_addr.s_addr,
	};
	frame.udp.dest = htons(atoi(arg[4]) + 1);
	frame.udp.len = htons(sizeof(frame.udp) + sizeof(frame.payload));
}

static void open_tap(const char *name, int as)
{
	struct ifreq ifr = {
		.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE,
	};
	int fd = open("/dev/net/tun", O_RDWR);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) || dup2(fd, as) < 0)
		die(name);
	close(fd);
}

static void taps(char **arg)
{
	int fd = atoi(*arg++);

	for (; *arg && strcmp(*arg, "--"); arg++)
		open_tap(*arg, fd++);
	if (!*arg || !arg[1]) {
		errno = EINVAL;
		die("no command");
	}
	execvp(arg[1], arg + 1);
	die(arg[1]);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(what, "serve")) {
		serve(atoi(argv[2]));
	} else if (argc == 4 && !strcmp(what, "count")) {
		count(argv[2], strtoul(argv[3], NULL, 0));
		return 0;
	} else if (argc > 4 && !strcmp(what, "taps")) {
		taps(argv + 2);
	} else if (argc == 9 && !strcmp(what, "raw")) {
		load = raw;
		prepare_raw(argv + 2);
		run_jobs(argv[7], argv[8]);
		return 0;
	} else if (argc == 6) {
		load = !strcmp(what, "push") ? push :
		       !strcmp(what, "pull") ? pull :
		       !strcmp(what, "ask") ? ask : NULL;
	}
	if (!load) {
		fprintf(stderr, "net_peer: what is to be done? See the head of its source\n");
		return 2;
	}
	host = address(argv[2], atoi(argv[3]));
	run_jobs(argv[4], argv[5]);
	return 0;
}
