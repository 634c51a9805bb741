// SPDX-License-Identifier: GPL-2.0
/*
 * The back end "bell" at full speed: threads, processes, another kernel module
 * and vcpus ring at the same time, while what may change changes, and each ring
 * is counted once.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib/tiny_vm.h"
#include "lib/vhdb_bell.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_module.h"

#include "bell_fixture.h"

#define THREADS		4
/* Of each thread: 20,000, a multiple of 100 wherever it is */
#define RINGS		(100 * vhdb_rounds(200))
/* Of each vcpu: exits are slow under emulation */
#define GUEST_RINGS	vhdb_rounds(5000)

/* ---- by userspace ---- */

struct hammer {
	int bell;
	int kick;
	int errors;
	pthread_t thread;
};

/* Rings by eventfd, and every fourth time by ioctl, too */
static void *hammer(void *arg)
{
	struct hammer *h = arg;
	int i, rings = RINGS;

	for (i = 0; i < rings; i++) {
		h->errors += vhdb_eventfd_add(h->kick, 1) != 0;
		if (i % 4 == 0)
			h->errors += __vhdb_bell_ring(h->bell) != 0;
	}
	return NULL;
}

static void hammer_start(struct __test_metadata *_metadata, struct hammer *h,
			 void *(*fn)(void *), const struct hammer *with)
{
	int i;

	for (i = 0; i < THREADS; i++) {
		h[i] = *with;
		ASSERT_EQ(0, pthread_create(&h[i].thread, NULL, fn, &h[i]));
	}
}

static bool hammer_runs(const struct hammer *h)
{
	return pthread_tryjoin_np(h->thread, NULL) == EBUSY;
}

static void hammer_join(struct __test_metadata *_metadata, struct hammer *h,
			int first)
{
	int i;

	for (i = 0; i < THREADS; i++) {
		if (i >= first)
			pthread_join(h[i].thread, NULL);
		EXPECT_EQ(0, h[i].errors);
	}
}

TEST_F(bell, hammered_by_threads)
{
	struct hammer h[THREADS], with = { .bell = self->fd, .kick = self->kick };

	ASSERT_EQ(0, __vhdb_bell_hook(self->fd, self->kick));
	hammer_start(_metadata, h, hammer, &with);
	hammer_join(_metadata, h, 0);
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, THREADS * RINGS,
				      THREADS * RINGS / 4, 0));
}

TEST_F(bell, hammered_by_processes)
{
	struct hammer with = { .bell = self->fd, .kick = self->kick };
	int i, status;
	pid_t child;

	ASSERT_EQ(0, __vhdb_bell_hook(self->fd, self->kick));
	for (i = 0; i < THREADS; i++) {
		child = fork();
		ASSERT_LE(0, child);
		if (!child) {
			hammer(&with);
			_exit(!!with.errors);
		}
	}
	for (i = 0; i < THREADS; i++) {
		ASSERT_LT(0, wait(&status));
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, THREADS * RINGS,
				      THREADS * RINGS / 4, 0));
}

/* What each reset took and what was left add up */
TEST_F(bell, reset_while_hammered)
{
	struct hammer h[THREADS], with = { .bell = self->fd, .kick = self->kick };
	struct vhost_doorbell_bell_count count;
	__u64 sum[2] = { 0 };
	unsigned int resets = 0;
	bool more = true;

	ASSERT_EQ(0, __vhdb_bell_hook(self->fd, self->kick));
	hammer_start(_metadata, h, hammer, &with);
	while (more) {
		more = hammer_runs(&h[0]);
		ASSERT_EQ(0, vhdb_bell_count(self->fd, true, &count));
		sum[0] += count.eventfd;
		sum[1] += count.ioctl;
		resets++;
	}
	hammer_join(_metadata, h, 1);
	ASSERT_EQ(0, vhdb_bell_count(self->fd, true, &count));
	EXPECT_EQ(THREADS * RINGS, sum[0] + count.eventfd);
	EXPECT_EQ(THREADS * RINGS / 4, sum[1] + count.ioctl);
	EXPECT_LT(1, resets);
}

/* Hooked on what is hooked already: no gap */
TEST_F(bell, hooked_again_while_hammered)
{
	struct hammer h[THREADS], with = { .bell = self->fd, .kick = self->kick };
	int copy = dup(self->kick);

	ASSERT_EQ(0, __vhdb_bell_hook(self->fd, self->kick));
	hammer_start(_metadata, h, hammer, &with);
	while (hammer_runs(&h[0]))
		ASSERT_EQ(0, __vhdb_bell_hook(self->fd, copy));
	hammer_join(_metadata, h, 1);
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, THREADS * RINGS,
				      THREADS * RINGS / 4, 0));
	close(copy);
}

/* All that may change, changes; and the last signal comes */
TEST_F(bell, changed_while_hammered)
{
	struct hammer h[THREADS], with = { .bell = self->fd, .kick = self->kick };
	unsigned int i = 0;

	hammer_start(_metadata, h, hammer, &with);
	while (hammer_runs(&h[0])) {
		ASSERT_EQ(0, __vhdb_bell_hook(self->fd,
					      i & 1 ? self->kick : -1));
		ASSERT_EQ(0, __vhdb_bell_call(self->fd,
					      i & 2 ? self->kick : self->call,
					      i % 3 + 1));
		i++;
	}
	hammer_join(_metadata, h, 1);
	ASSERT_EQ(0, __vhdb_bell_call(self->fd, self->call, 1));
	vhdb_eventfd_take(self->call);
	ASSERT_EQ(0, __vhdb_bell_ring(self->fd));
	EXPECT_EQ(1, vhdb_bell_calls(self->fd, self->call));
}

static void *hammer_kernel(void *arg)
{
	struct hammer *h = arg;
	int mod = vhdb_bell_mod_open();
	int i, calls = RINGS / 100;

	h->errors += vhdb_bell_mod_get(mod, h->bell) != 0;
	for (i = 0; i < calls; i++)
		h->errors += vhdb_bell_mod_ring(mod, 100, i % 3) != 0;
	h->errors += vhdb_bell_mod_put(mod) != 0;
	close(mod);
	return NULL;
}

TEST_F(bell, hammered_by_the_kernel)
{
	struct hammer h[THREADS], with = { .bell = self->fd };
	int mod = vhdb_bell_mod_open();

	if (mod == -ENOENT)
		SKIP(return, "VHDB_MODULES doesn't say where "
		     VHDB_MODULE_BELL_TEST " is");
	ASSERT_LE(0, mod);
	hammer_start(_metadata, h, hammer_kernel, &with);
	hammer_join(_metadata, h, 0);
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, 0, 0, THREADS * RINGS));
	close(mod);
	EXPECT_EQ(0, vhdb_module_delete(VHDB_MODULE_BELL_TEST));
}

/* ---- by guests ---- */

/*
 * 16-bit code for x86: as many stores as the first word at TINY_VM_ARGS says,
 * to the port or, if the third is set, to the address in the second. Then the
 * exit.
 */
static const __u8 ringer_code[] = {
	0x66, 0xbd, 0x00, 0x10, 0x00, 0x00,	/* movl $TINY_VM_ARGS, %ebp */
	0x67, 0x66, 0x8b, 0x4d, 0x00,		/* movl (%ebp), %ecx */
	0x67, 0x66, 0x8b, 0x55, 0x04,		/* movl 4(%ebp), %edx */
	0x67, 0x66, 0x83, 0x7d, 0x08, 0x00,	/* cmpl $0, 8(%ebp) */
	0x75, 0x07,				/* jne 2f */
	0xef,					/* 1: outw %ax, %dx */
	0x66, 0x49,				/* decl %ecx */
	0x75, 0xfb,				/* jnz 1b */
	0xeb, 0x07,				/* jmp 3f */
	0x67, 0x89, 0x02,			/* 2: movw %ax, (%edx) */
	0x66, 0x49,				/* decl %ecx */
	0x75, 0xf9,				/* jnz 2b */
	0xe6, TINY_DRIVER_DONE,			/* 3: outb %al, $... */
	0xf4,					/* hlt */
};

static_assert(TINY_VM_ARGS == 0x1000, "the guest's code has it as a number");

#define DOORBELL_PORT	0xc050

struct ringer {
	struct tiny_vm vm;
	int reason;
	pthread_t thread;
};

/* The one exit to userspace is the last one */
static void *ringer_run(void *arg)
{
	struct ringer *ringer = arg;

	ringer->reason = tiny_vcpu_run(&ringer->vm.cpu[0],
				       6 * vhdb_timeout_ms());
	return NULL;
}

FIXTURE(guests)
{
	struct ringer ringer[THREADS];
	int created;
	int fd;
	int kick;
	int call;
};

FIXTURE_VARIANT(guests)
{
	bool mmio;
};

FIXTURE_VARIANT_ADD(guests, pio)
{
	.mmio = false,
};

FIXTURE_VARIANT_ADD(guests, mmio)
{
	.mmio = true,
};

/* A VM for each vcpu, all of them with the one eventfd at their doorbell */
FIXTURE_SETUP(guests)
{
	const char *missing = tiny_vm_missing();
	__u32 *args;
	int i;

	self->created = 0;
	self->fd = -1;
	if (missing)
		SKIP(return, "%s", missing);
	self->fd = vhdb_bell_open();
	ASSERT_LE(0, self->fd);
	self->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_LE(0, self->kick);
	self->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_LE(0, self->call);
	for (i = 0; i < THREADS; i++) {
		struct tiny_vm *vm = &self->ringer[i].vm;

		ASSERT_EQ(0, tiny_vm_create(vm, 1 << 20));
		self->created++;
		args = tiny_vm_ptr(vm, TINY_VM_ARGS, 3 * sizeof(*args));
		args[0] = GUEST_RINGS;
		args[1] = variant->mmio ? TINY_VM_MMIO : DOORBELL_PORT;
		args[2] = variant->mmio;
		ASSERT_EQ(0, tiny_vm_load(vm, ringer_code,
					  sizeof(ringer_code)));
		ASSERT_EQ(0, tiny_vm_ioeventfd(vm, self->kick, args[1],
					       sizeof(__u16), variant->mmio ?
					       0 : KVM_IOEVENTFD_FLAG_PIO, 0));
	}
	ASSERT_EQ(0, __vhdb_bell_hook(self->fd, self->kick));
	/* KVM and the bell have what they need of it */
	close(self->kick);
}

FIXTURE_TEARDOWN(guests)
{
	while (self->created)
		tiny_vm_destroy(&self->ringer[--self->created].vm);
	if (self->fd >= 0) {
		close(self->fd);
		close(self->call);
	}
}

TEST_F_TIMEOUT(guests, rings_made_are_rings_counted, 600)
{
	struct vhost_doorbell_bell_count count;
	__u64 sum = 0;
	int i;

	/* Each ring has something to tell, too */
	ASSERT_EQ(0, __vhdb_bell_call(self->fd, self->call, 1));
	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_create(&self->ringer[i].thread, NULL,
					    ringer_run, &self->ringer[i]));
	/* Reset all the time: nothing is lost in between */
	while (pthread_tryjoin_np(self->ringer[0].thread, NULL) == EBUSY) {
		ASSERT_EQ(0, vhdb_bell_count(self->fd, true, &count));
		sum += count.eventfd;
		vhdb_relax();
	}
	for (i = 1; i < THREADS; i++)
		pthread_join(self->ringer[i].thread, NULL);
	for (i = 0; i < THREADS; i++) {
		EXPECT_EQ(KVM_EXIT_IO, self->ringer[i].reason);
		EXPECT_EQ(1, self->ringer[i].vm.cpu[0].runs);
	}
	ASSERT_EQ(0, vhdb_bell_count(self->fd, false, &count));
	sum += count.eventfd;
	EXPECT_EQ(THREADS * GUEST_RINGS, sum);
	EXPECT_EQ(0, __vhdb_bell_call(self->fd, -1, 0));
	EXPECT_LE(1, vhdb_eventfd_take(self->call));
}

TEST_HARNESS_MAIN
