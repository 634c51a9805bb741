// SPDX-License-Identifier: GPL-2.0
/*
 * Registers many ioeventfds in one VM and tells what that took, and how much of
 * it was the search for entries that the new one would collide with.
 *
 * The search is measured by itself: an assign that fails with EEXIST has done
 * it, and has neither copied the bus nor waited for a grace period. It is made
 * to collide with the newest entry, which is what a walk over all of them finds
 * last. The same with one entry only is the price of the system call, and is
 * taken off. Between two such measurements the search is taken to grow evenly.
 *
 *	register_bench [N]
 *
 * prints, in microseconds: all assigns, the processor's time of them (the rest is
 * waiting for grace periods), the searches in them, all deassigns.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <linux/kvm.h>

#define BASE		0xd0000000ULL
#define STEP		8
#define BLOCKS		20	/* how often the search is measured */
#define TRIES		31	/* assigns that collide, each time: the median */

static int vm, event;

static void fail(const char *what)
{
	fprintf(stderr, "register_bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double clock_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static double now_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

/* Of this thread; the search never sleeps, so that it is part of it */
static double cpu_us(void)
{
	return clock_us(CLOCK_THREAD_CPUTIME_ID);
}

static int entry(unsigned int i, unsigned int flags)
{
	struct kvm_ioeventfd args = {
		.addr = BASE + (uint64_t)i * STEP,
		.len = 4,
		.fd = event,
		.flags = flags,
	};

	return ioctl(vm, KVM_IOEVENTFD, &args);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* One more of entry @i, the newest: what it takes to be told that it's there */
static double collide_us(unsigned int i)
{
	double times[TRIES];
	unsigned int t;

	for (t = 0; t < TRIES; t++) {
		double from = now_us();

		if (!entry(i, 0) || errno != EEXIST)
			fail("KVM_IOEVENTFD, twice the same");
		times[t] = now_us() - from;
	}
	qsort(times, TRIES, sizeof(times[0]), by_value);
	return times[TRIES / 2];
}

static void open_vm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0)
		fail("/dev/kvm");
	if (ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD) <= 0) {
		fprintf(stderr, "register_bench: %s\n",
			"this kernel's KVM has no ioeventfd (KVM_CAP_IOEVENTFD)");
		exit(1);
	}
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		fail("KVM_CREATE_VM");
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		fail("eventfd");
}

int main(int argc, char **argv)
{
	unsigned int n = argc > 1 ? strtoul(argv[1], NULL, 0) : 10000;
	unsigned int i, done = 1, block = n / BLOCKS;
	double assigns = 0, searches = 0, cpu = 0, last = 0, base, from;

	if (n < BLOCKS || n % BLOCKS) {
		fprintf(stderr, "register_bench: N is a multiple of %d\n", BLOCKS);
		return 1;
	}
	open_vm();

	if (entry(0, 0))
		fail("KVM_IOEVENTFD");
	base = collide_us(0);

	while (done < n) {
		unsigned int to = done + block < n ? done + block : n;
		unsigned int count = to - done;
		double search, from_cpu = cpu_us();

		from = now_us();
		for (; done < to; done++)
			if (entry(done, 0))
				fail("KVM_IOEVENTFD");
		assigns += now_us() - from;
		cpu += cpu_us() - from_cpu;

		search = collide_us(done - 1) - base;
		if (search < 0)
			search = 0;
		searches += count * (last + search) / 2;
		last = search;
	}

	from = now_us();
	for (i = 0; i < n; i++)
		if (entry(i, KVM_IOEVENTFD_FLAG_DEASSIGN))
			fail("KVM_IOEVENTFD, deassign");
	printf("assign %.1f cpu %.1f search %.1f deassign %.1f\n",
	       assigns, cpu, searches, now_us() - from);
	return 0;
}
