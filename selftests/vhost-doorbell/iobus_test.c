// SPDX-License-Identifier: GPL-2.0
/*
 * Takes an ioeventfd away while there is no memory: each allocation on the way
 * fails once. Whatever comes of it, what else is on the bus must stay: another
 * ioeventfd still takes the guest's writes. KVM without kvm-patches/0003 destroys
 * the bus.
 *
 * Needs a kernel that injects failures, and the series: the debug kernel.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib/tiny_vm.h"
#include "lib/vhdb_inject.h"

#define PIO		KVM_IOEVENTFD_FLAG_PIO
#define DEASSIGN	KVM_IOEVENTFD_FLAG_DEASSIGN

#define STAYS		0x10	/* ports */
#define GOES		0x14
#define END		0xf4

/* More than an ioctl has places that can fail */
#define MAX_FAILURES	32

FIXTURE(iobus) {
	struct tiny_vm vm;
	int stays;
	int goes;
	struct vhdb_inject inject;
};

FIXTURE_SETUP(iobus)
{
	const char *missing = tiny_vm_missing();

	if (missing)
		SKIP(return, "%s", missing);
	missing = vhdb_inject_missing();
	if (missing)
		SKIP(return, "%s", missing);
	if (tiny_vm_cap(KVM_CAP_IOEVENTFD_HYPERCALL) <= 0)
		SKIP(return, "this kernel's KVM is without kvm-patches/");
	ASSERT_EQ(0, vhdb_inject_init(&self->inject));
	ASSERT_EQ(0, tiny_vm_create(&self->vm, 1 << 20));
	self->stays = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	self->goes = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ASSERT_LE(0, self->stays);
	ASSERT_LE(0, self->goes);
	ASSERT_EQ(0, tiny_vm_ioeventfd(&self->vm, self->stays, STAYS, 2, PIO, 0));
}

FIXTURE_TEARDOWN(iobus)
{
	vhdb_inject_free(&self->inject);
	close(self->stays);
	close(self->goes);
	tiny_vm_destroy(&self->vm);
}

/*
 * The guest writes to a port: how often the eventfd was signalled. An exit on the
 * way is run over, up to the one at the end: KVM_RUN completes what it exited
 * for, which must not be mistaken for the first instruction of the next time.
 */
static int ring(struct tiny_vm *vm, int event, unsigned char port)
{
	const unsigned char code[] = {
		0xe7, port,		/* out %ax, port */
		0xe7, END,
		0xf4,
	};
	struct tiny_vm_access access = { .addr = ~0ULL };
	__u64 count = 0;

	if (tiny_vm_load(vm, code, sizeof(code)))
		return -1;
	do {
		if (tiny_vcpu_run(&vm->cpu[0], 10000) != KVM_EXIT_IO ||
		    tiny_vcpu_access(&vm->cpu[0], &access))
			return -1;
	} while (access.addr != END);
	if (read(event, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return -1;
	return count;
}

TEST_F(iobus, unregister_without_memory)
{
	unsigned int nth, survived = 0;

	for (nth = 1; nth <= MAX_FAILURES; nth++) {
		bool failed;
		int ret;

		ASSERT_EQ(0, tiny_vm_ioeventfd(&self->vm, self->goes, GOES, 2,
					       PIO, 0));
		EXPECT_EQ(1, ring(&self->vm, self->goes, GOES));

		vhdb_inject_set(&self->inject, nth);
		ret = tiny_vm_ioeventfd(&self->vm, self->goes, GOES, 2,
					PIO | DEASSIGN, 0);
		failed = vhdb_inject_end(&self->inject);

		/* Its argument could not be read: then nothing was done. */
		if (ret == -EFAULT)
			ret = tiny_vm_ioeventfd(&self->vm, self->goes, GOES, 2,
						PIO | DEASSIGN, 0);
		else if (failed)
			survived++;
		ASSERT_EQ(0, ret) TH_LOG("failure %u", nth);

		EXPECT_EQ(0, ring(&self->vm, self->goes, GOES));
		EXPECT_EQ(1, ring(&self->vm, self->stays, STAYS)) {
			TH_LOG("failure %u took the bus with it", nth);
		}
		/* The last failure did not come about: there was nothing left. */
		if (!failed)
			break;
	}
	EXPECT_LT(0, survived);
}

TEST_HARNESS_MAIN
