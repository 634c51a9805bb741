// SPDX-License-Identifier: GPL-2.0
/*
 * See notify_rows.h: one burst of rings, and whether it was what it should be.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "../lib/vhdb_bell.h"
#include "notify_rows.h"

/* A guest whose interrupt got lost sleeps for ever */
static struct kvm_run *watched;
static int late;

static void watch_signal(int sig)
{
	struct kvm_run *run;

	(void)sig;
	__atomic_store_n(&late, 1, __ATOMIC_RELAXED);
	/* Closes the gap in which it comes just before KVM_RUN */
	run = __atomic_load_n(&watched, __ATOMIC_RELAXED);
	if (run)
		__atomic_store_n(&run->immediate_exit, 1, __ATOMIC_RELAXED);
}

static void watch(struct kvm_run *run)
{
	struct sigaction action = {
		.sa_handler = watch_signal,
	};

	run->immediate_exit = 0;
	__atomic_store_n(&late, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&watched, run, __ATOMIC_RELAXED);
	sigaction(SIGALRM, &action, NULL);
	alarm(3 * vhdb_timeout_ms() / 1000);
}

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static int expected_exit(enum notify_ring ring)
{
	switch (ring) {
	case RING_PIO:
		return KVM_EXIT_IO;
	case RING_MMIO:
		return KVM_EXIT_MMIO;
	case RING_HC:
		return KVM_EXIT_HYPERCALL;
	default:
		return -1;
	}
}

/* What a VMM does about a ring: no more than it must */
static int answer(struct notify_rig *rig)
{
	const __u64 one = 1;

	rig->vm.cpu[0].run->hypercall.ret = 0;
	switch (rig->row->path) {
	case PATH_EXIT_BELL:
		return __vhdb_bell_ring(rig->bell);
	case PATH_EXIT_LOOP:
		return write(rig->eventfd, &one, sizeof(one)) < 0 ? -errno : 0;
	default:
		return 0;
	}
}

static bool exit_is_done(const struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_IO && run->io.port == NOTIFY_DONE;
}

/* To the guest's last OUT. Nothing in here but what a VMM would do. */
static int run(struct notify_rig *rig, struct notify_burst *burst)
{
	const int expected = expected_exit(rig->row->ring);
	struct kvm_run *run = rig->vm.cpu[0].run;
	int ret;

	for (;;) {
		if (ioctl(rig->vm.cpu[0].fd, KVM_RUN, 0)) {
			if (errno != EINTR)
				return -errno;
			if (__atomic_load_n(&late, __ATOMIC_RELAXED))
				return -ETIMEDOUT;
			continue;
		}
		if (exit_is_done(run))
			return 0;
		if ((int)run->exit_reason != expected) {
			burst->other_exits++;
			return -EPROTO;
		}
		burst->user_exits++;
		ret = answer(rig);
		if (ret)
			return ret;
	}
}

static __u8 *status(const struct notify_rig *rig)
{
	return tiny_vm_ptr(&rig->vm, NOTIFY_STATUS, 1);
}

static int by_size(const void *a, const void *b)
{
	__u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return x < y ? -1 : x > y;
}

/* Sorts the samples where they are: the next burst overwrites them */
static void evaluate(struct notify_rig *rig, struct notify_burst *burst)
{
	unsigned int n = burst->rings;
	__u32 *samples = tiny_vm_ptr(&rig->vm, rig->args->samples, n * 4);

	qsort(samples, n, sizeof(*samples), by_size);
	burst->p50 = samples[n / 2];
	burst->p99 = samples[n - 1 - n / 100];
	burst->min = samples[0];
	burst->max = samples[n - 1];
	burst->ticks = rig->args->tsc_last - rig->args->tsc_first;
}

/* Rings that have arrived since the last look */
static int heard(struct notify_rig *rig, __u64 *n)
{
	struct vhost_doorbell_bell_count count = { 0 };
	struct vhost_doorbell_stats stats = { 0 };
	int ret = 0;

	*n = 0;
	switch (rig->row->path) {
	case PATH_EXIT_BELL:
	case PATH_BELL:
		ret = vhdb_bell_count(rig->bell, true, &count);
		*n = rig->row->path == PATH_BELL ? count.eventfd : count.ioctl;
		break;
	case PATH_EVENTFD:
		*n = vhdb_eventfd_take(rig->eventfd);
		break;
	case PATH_EXIT_LOOP:
	case PATH_LOOP:
		ret = vhdb_get_stats(rig->dev, 0, &stats);
		*n = stats.kicks - rig->kicks;
		rig->kicks = stats.kicks;
		break;
	default:
		break;
	}
	return ret;
}

int notify_rig_run(struct notify_rig *rig, unsigned int rings,
		   struct notify_burst *burst)
{
	enum notify_program program = notify_row_program(rig->row);
	struct notify_args *args = rig->args;
	__u64 before = 0, after = 0;
	bool stats;
	int ret;

	memset(burst, 0, sizeof(*burst));
	burst->rings = rings;
	if (!rings || rings > rig->rings_max)
		return -EINVAL;
	args->samples = NOTIFY_SAMPLES;
	args->samples_end = args->samples + rings * sizeof(__u32);
	args->irqs = 0;
	args->irqs_seen = 0;
	args->hc_ret = 0;
	*status(rig) = 0xff;
	ret = heard(rig, &burst->heard);
	if (!ret)
		ret = notify_guest_load(&rig->vm, program);
	if (ret)
		return ret;

	stats = !tiny_vcpu_kvm_stat(&rig->vm.cpu[0], "exits", &before);
	watch(rig->vm.cpu[0].run);
	burst->ns = now_ns();
	ret = run(rig, burst);
	burst->ns = now_ns() - burst->ns;
	alarm(0);
	__atomic_store_n(&watched, NULL, __ATOMIC_RELAXED);
	if (ret)
		return ret;
	stats = stats && !tiny_vcpu_kvm_stat(&rig->vm.cpu[0], "exits", &after);
	burst->kvm_exits = stats ? (double)(after - before) : -1;
	evaluate(rig, burst);
	return heard(rig, &burst->heard);
}

const char *notify_burst_wrong(const struct notify_rig *rig,
			       const struct notify_burst *burst)
{
	const enum notify_path path = rig->row->path;
	const bool exits = notify_path_exits(path);
	const bool loops = notify_path_loops(path);

	if (burst->other_exits)
		return "an exit to userspace that no ring explains";
	if (burst->user_exits != (exits ? burst->rings : 0))
		return exits ? "rings did not come to userspace" :
			       "rings came to userspace";
	if (rig->row->ring == RING_HC && rig->args->hc_ret)
		return "the hypercall failed";
	if (path != PATH_NONE && path != PATH_EXIT &&
	    burst->heard != burst->rings)
		return "rings got lost, or were counted twice";
	if (loops && rig->args->irqs != burst->rings)
		return "not one interrupt for each ring";
	if (loops && *status(rig))
		return "the request failed";
	return NULL;
}
