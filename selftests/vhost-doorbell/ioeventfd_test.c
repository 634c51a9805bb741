// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_IOEVENTFD as KVM documents it, line by line: what hits, what falls
 * through to userspace and with which data, what may be registered beside what,
 * and what becomes of the eventfd. Nothing here is vhost-doorbell's own: it must
 * hold for each kernel that the driver is used with, and the same binary says
 * so on all of them. A kernel without ioeventfds has the first test only.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib/tiny_vm.h"
#include "lib/vhdb_dev.h"

#define MEM_SIZE	(1024 * 1024UL)
#define FDS		4	/* eventfds of a test */
#define PORT		0xc050	/* aligned to 16, as MMIO's is */
#define MMIO		(TINY_VM_MMIO + 0x100)

/* More than the 1000 other devices that a bus may have (NR_IOBUS_DEVS) */
#define MANY		1200
#define MANY_PORT	0x4000
#define MANY_STEP	8

#define CHURN_MS	3000	/* how long entries come and go under fire */
#define RINGERS		2

#define ASSIGN		0
#define MATCH		KVM_IOEVENTFD_FLAG_DATAMATCH
#define DEASSIGN	KVM_IOEVENTFD_FLAG_DEASSIGN

/* Each byte another one, so that none is taken for a neighbour */
#define PATTERN		0x8877665544332211ULL

/* ---- helpers: a VM, its eventfds, one write of the guest ---- */

struct rig {
	struct tiny_vm vm;
	int fd[FDS];
};

static int rig_create(struct rig *rig)
{
	unsigned int i;
	int ret;

	for (i = 0; i < FDS; i++) {
		rig->fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (rig->fd[i] < 0)
			return -errno;
	}
	ret = tiny_vm_create(&rig->vm, MEM_SIZE);
	if (!ret)
		ret = tiny_vm_load_script(&rig->vm);
	if (!ret)
		ret = tiny_vcpu_set_mode(&rig->vm, &rig->vm.cpu[0], TINY_LONG);
	return ret;
}

static void rig_destroy(struct rig *rig)
{
	unsigned int i;

	tiny_vm_destroy(&rig->vm);
	for (i = 0; i < FDS; i++)
		close(rig->fd[i]);
}

/* How often it was signalled since the last look */
static __u64 rings(int fd)
{
	__u64 count = 0;

	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return 0;
	return count;
}

/* The width's part of a value */
static __u64 at_width(__u64 value, unsigned int width)
{
	return width == 8 ? value : value & ((1ULL << width * 8) - 1);
}

static enum tiny_op write_op(bool mmio, unsigned int width)
{
	switch (width) {
	case 1:
		return mmio ? TINY_OP_STORE1 : TINY_OP_OUT1;
	case 2:
		return mmio ? TINY_OP_STORE2 : TINY_OP_OUT2;
	case 4:
		return mmio ? TINY_OP_STORE4 : TINY_OP_OUT4;
	default:
		return TINY_OP_STORE8;
	}
}

static bool exit_is_done(int reason, const struct tiny_vm_access *access)
{
	return reason == KVM_EXIT_IO && access->pio && access->write &&
	       access->addr == TINY_DRIVER_DONE;
}

/*
 * The guest does this one step: the number of exits to userspace (of the last
 * one @access tells), or -errno.
 */
static int guest_step(struct tiny_vm *vm, const struct tiny_step *step,
		      struct tiny_vm_access *access, __u64 *result)
{
	struct tiny_script *script = tiny_vm_ptr(vm, TINY_VM_ARGS, 0x1000);
	struct tiny_vm_access now;
	int exits, ret;

	memset(script, 0, sizeof(*script));
	script->loops = 1;
	script->steps = 1;
	script->step[0] = *step;
	memset(access, 0, sizeof(*access));
	ret = tiny_vcpu_start_script(&vm->cpu[0], TINY_VM_ARGS);
	for (exits = 0; !ret; exits++) {
		ret = tiny_vcpu_run(&vm->cpu[0], vhdb_timeout_ms());
		if (ret < 0)
			break;
		if (tiny_vcpu_access(&vm->cpu[0], &now))
			return -EPROTO;
		if (exit_is_done(ret, &now)) {
			if (result)
				*result = script->step[0].result;
			return exits;
		}
		*access = now;
		ret = 0;
	}
	return ret;
}

/* ---- each bus ---- */

FIXTURE(bus) {
	struct rig rig;
};

FIXTURE_VARIANT(bus) {
	bool mmio;
	unsigned int flags;
	__u64 addr;
	unsigned int widths;	/* each is a power of two, up to this one */
};

FIXTURE_VARIANT_ADD(bus, pio) {
	.mmio = false,
	.flags = KVM_IOEVENTFD_FLAG_PIO,
	.addr = PORT,
	.widths = 4,
};

FIXTURE_VARIANT_ADD(bus, mmio) {
	.mmio = true,
	.flags = 0,
	.addr = MMIO,
	.widths = 8,
};

FIXTURE_SETUP(bus)
{
	const char *missing = tiny_vm_missing();

	if (missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(0, rig_create(&self->rig));
}

FIXTURE_TEARDOWN(bus)
{
	rig_destroy(&self->rig);
}

#define NOBODY	FDS	/* no eventfd: it is userspace's */

/*
 * The guest writes; fd[@who] must have been signalled, once, and no other one,
 * and nothing must have reached userspace. Or for NOBODY the other way round.
 */
static void check_write(struct __test_metadata *_metadata, struct rig *rig,
			bool mmio, __u64 addr, unsigned int width, __u64 value,
			unsigned int who)
{
	struct tiny_step step = {
		.op = write_op(mmio, width),
		.addr = addr,
		.value = value,
	};
	struct tiny_vm_access access;
	int exits = guest_step(&rig->vm, &step, &access, NULL);
	unsigned int i;

	EXPECT_EQ(who == NOBODY, exits) {
		TH_LOG("%u bytes 0x%llx to 0x%llx, for %u", width, value, addr,
		       who);
	}
	for (i = 0; i < FDS; i++) {
		EXPECT_EQ(who == i, rings(rig->fd[i])) {
			TH_LOG("eventfd %u by %u bytes 0x%llx to 0x%llx", i,
			       width, value, addr);
		}
	}
	if (who != NOBODY || exits != 1)
		return;
	EXPECT_EQ(!mmio, access.pio);
	EXPECT_TRUE(access.write);
	EXPECT_EQ(addr, access.addr);
	EXPECT_EQ(width, access.len);
	EXPECT_EQ(at_width(value, width), access.value);
}

#define CHECK_WRITE(addr, width, value, who)				\
	check_write(_metadata, &self->rig, variant->mmio, addr, width,	\
		    value, who)

#define IOEVENTFD(who, addr, len, how, match)				\
	tiny_vm_ioeventfd(&self->rig.vm, self->rig.fd[who], addr, len,	\
			  variant->flags | (how), match)

/* Any value hits; another width does not, and arrives as it was written */
TEST_F(bus, wildcard)
{
	static const __u64 values[] = { 0, 1, PATTERN, ~0ULL };
	unsigned int len, width, i;

	for (len = 1; len <= variant->widths; len *= 2) {
		ASSERT_EQ(0, IOEVENTFD(0, variant->addr, len, ASSIGN, 0));
		for (width = 1; width <= variant->widths; width *= 2)
			for (i = 0; i < ARRAY_SIZE(values); i++)
				CHECK_WRITE(variant->addr, width, values[i],
					    width == len ? 0 : NOBODY);
		ASSERT_EQ(0, IOEVENTFD(0, variant->addr, len, DEASSIGN, 0));
		CHECK_WRITE(variant->addr, len, 1, NOBODY);
	}
}

/* The value, all of it and at the access's width, decides */
TEST_F(bus, datamatch)
{
	unsigned int len, width, bit;
	__u64 match;

	for (len = 1; len <= variant->widths; len *= 2) {
		match = at_width(PATTERN, len);
		ASSERT_EQ(0, IOEVENTFD(0, variant->addr, len, MATCH, match));
		for (width = 1; width <= variant->widths; width *= 2)
			CHECK_WRITE(variant->addr, width, match,
				    width == len ? 0 : NOBODY);
		for (bit = 0; bit < len * 8; bit++)
			CHECK_WRITE(variant->addr, len, match ^ (1ULL << bit),
				    NOBODY);
		CHECK_WRITE(variant->addr, len, 0, NOBODY);
		/* What the register holds above the width is not written */
		if (len < 8)
			CHECK_WRITE(variant->addr, len, PATTERN, 0);
		ASSERT_EQ(0, IOEVENTFD(0, variant->addr, len,
				       MATCH | DEASSIGN, match));
		CHECK_WRITE(variant->addr, len, match, NOBODY);
	}
}

/* No value of that width can be equal to it */
TEST_F(bus, datamatch_wider_than_len)
{
	unsigned int len;
	__u64 match;

	for (len = 1; len <= 4; len *= 2) {
		match = PATTERN | 1ULL << len * 8;
		ASSERT_EQ(0, IOEVENTFD(0, variant->addr, len, MATCH, match));
		CHECK_WRITE(variant->addr, len, match, NOBODY);
		ASSERT_EQ(0, IOEVENTFD(0, variant->addr, len,
				       MATCH | DEASSIGN, match));
	}
}

/* Neighbours, overlaps, and what differs in a high bit of the address */
TEST_F(bus, other_address)
{
	static const int steps[] = { -8, -4, -2, -1, 1, 2, 4, 8, 0x100 };
	unsigned int len, i;

	for (len = 0; len <= variant->widths; len = len ? len * 2 : 1) {
		ASSERT_EQ(0, IOEVENTFD(0, variant->addr, len, ASSIGN, 0));
		for (i = 0; i < ARRAY_SIZE(steps); i++)
			CHECK_WRITE(variant->addr + steps[i], len ? len : 1,
				    PATTERN, NOBODY);
		if (variant->mmio)
			CHECK_WRITE(variant->addr - TINY_VM_MMIO +
				    TINY_VM_HIGH, len ? len : 1, PATTERN,
				    NOBODY);
		CHECK_WRITE(variant->addr, len ? len : 1, PATTERN, 0);
		ASSERT_EQ(0, IOEVENTFD(0, variant->addr, len, DEASSIGN, 0));
	}
	if (!variant->mmio)
		return;
	/* That high one has its own, and only its own */
	ASSERT_EQ(0, IOEVENTFD(0, variant->addr - TINY_VM_MMIO + TINY_VM_HIGH,
			       4, ASSIGN, 0));
	CHECK_WRITE(variant->addr - TINY_VM_MMIO + TINY_VM_HIGH, 4, 1, 0);
	CHECK_WRITE(variant->addr, 4, 1, NOBODY);
}

/* Two values, a third one for nobody, and a wildcard of another width */
TEST_F(bus, side_by_side)
{
	ASSERT_EQ(0, IOEVENTFD(0, variant->addr, 2, MATCH, 0x1111));
	ASSERT_EQ(0, IOEVENTFD(1, variant->addr, 2, MATCH, 0x2222));
	ASSERT_EQ(0, IOEVENTFD(2, variant->addr, 4, ASSIGN, 0));
	ASSERT_EQ(0, IOEVENTFD(3, variant->addr, 1, MATCH, 0x11));

	CHECK_WRITE(variant->addr, 2, 0x1111, 0);
	CHECK_WRITE(variant->addr, 2, 0x2222, 1);
	CHECK_WRITE(variant->addr, 2, 0x3333, NOBODY);
	CHECK_WRITE(variant->addr, 4, 0x1111, 2);
	CHECK_WRITE(variant->addr, 4, 0x2222, 2);
	CHECK_WRITE(variant->addr, 1, 0x11, 3);
	CHECK_WRITE(variant->addr, 1, 0x12, NOBODY);

	/* One goes, and the others stay */
	ASSERT_EQ(0, IOEVENTFD(0, variant->addr, 2, MATCH | DEASSIGN, 0x1111));
	CHECK_WRITE(variant->addr, 2, 0x1111, NOBODY);
	CHECK_WRITE(variant->addr, 2, 0x2222, 1);
	CHECK_WRITE(variant->addr, 4, 0x1111, 2);
	CHECK_WRITE(variant->addr, 1, 0x11, 3);
}

/* Length 0: each width and value, at this address alone */
TEST_F(bus, any_length)
{
	unsigned int width;

	ASSERT_EQ(0, IOEVENTFD(1, variant->addr, 0, ASSIGN, 0));
	for (width = 1; width <= variant->widths; width *= 2) {
		CHECK_WRITE(variant->addr, width, PATTERN, 1);
		CHECK_WRITE(variant->addr, width, 0, 1);
	}
	ASSERT_EQ(0, IOEVENTFD(1, variant->addr, 0, DEASSIGN, 0));
	for (width = 1; width <= variant->widths; width *= 2)
		CHECK_WRITE(variant->addr, width, PATTERN, NOBODY);
}

/* It is about writes: a read at the same address is userspace's */
TEST_F(bus, reads)
{
	struct tiny_step step = {
		.op = variant->mmio ? TINY_OP_LOAD4 : TINY_OP_IN4,
		.addr = variant->addr,
	};
	struct tiny_vm_access access;
	unsigned int len;

	for (len = 0; len <= 4; len += 4) {
		ASSERT_EQ(0, IOEVENTFD(0, variant->addr, len, ASSIGN, 0));
		EXPECT_EQ(1, guest_step(&self->rig.vm, &step, &access, NULL));
		EXPECT_FALSE(access.write);
		EXPECT_EQ(variant->addr, access.addr);
		EXPECT_EQ(4, access.len);
		EXPECT_EQ(0, rings(self->rig.fd[0]));
		ASSERT_EQ(0, IOEVENTFD(0, variant->addr, len, DEASSIGN, 0));
	}
}

/* A port and an address of the same number are two places */
TEST_F(bus, buses_are_apart)
{
	unsigned int other = variant->flags ^ KVM_IOEVENTFD_FLAG_PIO;

	ASSERT_EQ(0, IOEVENTFD(0, variant->addr, 2, ASSIGN, 0));
	ASSERT_EQ(0, tiny_vm_ioeventfd(&self->rig.vm, self->rig.fd[1],
				       variant->addr, 2, other, 0));
	CHECK_WRITE(variant->addr, 2, 1, 0);
	EXPECT_EQ(0, tiny_vm_ioeventfd(&self->rig.vm, self->rig.fd[1],
				       variant->addr, 2, other | DEASSIGN, 0));
	CHECK_WRITE(variant->addr, 2, 1, 0);
}

/* ---- what may stand beside what ---- */

struct shape {
	unsigned int len;
	bool match;
	__u64 data;
};

static const struct shape shapes[] = {
	{ 0, false, 0 },
	{ 1, false, 0 }, { 1, true, 0 }, { 1, true, 7 },
	{ 2, false, 0 }, { 2, true, 0 }, { 2, true, 7 },
	{ 4, false, 0 }, { 4, true, 0 }, { 4, true, 7 },
	{ 8, false, 0 }, { 8, true, 0 }, { 8, true, 7 },
};

static bool collide(const struct shape *a, const struct shape *b)
{
	if (!a->len || !b->len)
		return true;
	if (a->len != b->len)
		return false;
	return !a->match || !b->match || a->data == b->data;
}

static int shape_eventfd(struct rig *rig, unsigned int who, __u64 addr,
			 const struct shape *s, unsigned int flags)
{
	return tiny_vm_ioeventfd(&rig->vm, rig->fd[who], addr, s->len,
				 flags | (s->match ? MATCH : 0), s->data);
}

#define SHAPE(who, addr, s, how)					\
	shape_eventfd(&self->rig, who, addr, s, variant->flags | (how))

/* Each pair, by the same eventfd and by another one: it plays no part */
TEST_F(bus, collisions)
{
	const struct shape *a, *b;
	unsigned int i, j, who;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		a = &shapes[i];
		ASSERT_EQ(0, SHAPE(0, variant->addr, a, ASSIGN));
		for (j = 0; j < ARRAY_SIZE(shapes); j++) {
			b = &shapes[j];
			who = j % 2;
			EXPECT_EQ(collide(a, b) ? -EEXIST : 0,
				  SHAPE(who, variant->addr, b, ASSIGN)) {
				TH_LOG("len %u match %d data %llu beside len %u match %d data %llu",
				       b->len, b->match, b->data, a->len,
				       a->match, a->data);
			}
			if (!collide(a, b))
				EXPECT_EQ(0, SHAPE(who, variant->addr, b,
						   DEASSIGN));
			/* Not beside it, it is always welcome */
			if (i)
				continue;
			EXPECT_EQ(0, SHAPE(who, variant->addr + 1, b, ASSIGN));
			EXPECT_EQ(0, SHAPE(who, variant->addr + 1, b,
					   DEASSIGN));
		}
		/* The first one is still there, and as it was */
		ASSERT_EQ(0, SHAPE(0, variant->addr, a, DEASSIGN));
		EXPECT_EQ(-ENOENT, SHAPE(0, variant->addr, a, DEASSIGN));
	}
}

/* A collision is found wherever it stands among others at its address */
TEST_F(bus, collisions_among_many)
{
	const unsigned int values = 40;
	unsigned int i, v;

	/* In no order that a list or a tree would like */
	for (i = 0; i < values; i++) {
		v = i * 17 % values;
		ASSERT_EQ(0, IOEVENTFD(v % FDS, variant->addr, 2, MATCH, v));
		ASSERT_EQ(0, IOEVENTFD(v % FDS, variant->addr, 4, MATCH, v));
	}
	for (i = 0; i < values; i++) {
		EXPECT_EQ(-EEXIST, IOEVENTFD(0, variant->addr, 2, MATCH, i));
		EXPECT_EQ(-EEXIST, IOEVENTFD(0, variant->addr, 4, MATCH, i));
	}
	EXPECT_EQ(-EEXIST, IOEVENTFD(0, variant->addr, 0, ASSIGN, 0));
	EXPECT_EQ(-EEXIST, IOEVENTFD(0, variant->addr, 2, ASSIGN, 0));
	EXPECT_EQ(-EEXIST, IOEVENTFD(0, variant->addr, 4, ASSIGN, 0));
	EXPECT_EQ(0, IOEVENTFD(0, variant->addr, 1, ASSIGN, 0));
	for (i = 0; i < values; i++) {
		v = i * 23 % values;
		CHECK_WRITE(variant->addr, 2, v, v % FDS);
		ASSERT_EQ(0, IOEVENTFD(v % FDS, variant->addr, 2,
				       MATCH | DEASSIGN, v));
		CHECK_WRITE(variant->addr, 2, v, NOBODY);
		CHECK_WRITE(variant->addr, 4, v, v % FDS);
	}
	EXPECT_EQ(0, IOEVENTFD(0, variant->addr, 2, ASSIGN, 0));
	EXPECT_EQ(-EEXIST, IOEVENTFD(0, variant->addr, 0, ASSIGN, 0));
}

/* ---- taking back ---- */

/* Everything must be named as it was */
TEST_F(bus, deassign_mismatch)
{
	unsigned int len;

	for (len = 1; len <= variant->widths; len *= 2) {
		ASSERT_EQ(0, IOEVENTFD(0, variant->addr, len, MATCH, 5));
		EXPECT_EQ(-ENOENT, IOEVENTFD(1, variant->addr, len,
					     MATCH | DEASSIGN, 5));
		EXPECT_EQ(-ENOENT, IOEVENTFD(0, variant->addr + 1, len,
					     MATCH | DEASSIGN, 5));
		EXPECT_EQ(-ENOENT, IOEVENTFD(0, variant->addr, len * 2,
					     MATCH | DEASSIGN, 5));
		EXPECT_EQ(-ENOENT, IOEVENTFD(0, variant->addr, 0,
					     MATCH | DEASSIGN, 5));
		EXPECT_EQ(-ENOENT, IOEVENTFD(0, variant->addr, 0, DEASSIGN, 0));
		EXPECT_EQ(-ENOENT, IOEVENTFD(0, variant->addr, len,
					     MATCH | DEASSIGN, 6));
		EXPECT_EQ(-ENOENT, IOEVENTFD(0, variant->addr, len, DEASSIGN,
					     5));
		EXPECT_EQ(-ENOENT,
			  tiny_vm_ioeventfd(&self->rig.vm, self->rig.fd[0],
					    variant->addr, len,
					    (variant->flags ^
					     KVM_IOEVENTFD_FLAG_PIO) |
					    MATCH | DEASSIGN, 5));
		CHECK_WRITE(variant->addr, len, 5, 0);
		EXPECT_EQ(0, IOEVENTFD(0, variant->addr, len,
				       MATCH | DEASSIGN, 5));
		EXPECT_EQ(-ENOENT, IOEVENTFD(0, variant->addr, len,
					     MATCH | DEASSIGN, 5));
	}
}

/* A wildcard is not taken back by a value; where none is asked, none counts */
TEST_F(bus, deassign_wildcard)
{
	unsigned int len;

	for (len = 0; len <= variant->widths; len = len ? len * 2 : 1) {
		ASSERT_EQ(0, IOEVENTFD(0, variant->addr, len, ASSIGN, 1));
		EXPECT_EQ(-ENOENT, IOEVENTFD(0, variant->addr, len,
					     MATCH | DEASSIGN, 1));
		EXPECT_EQ(-ENOENT, IOEVENTFD(0, variant->addr, len ? 0 : 1,
					     DEASSIGN, 1));
		EXPECT_EQ(-ENOENT, IOEVENTFD(1, variant->addr, len, DEASSIGN,
					     1));
		CHECK_WRITE(variant->addr, len ? len : 1, 9, 0);
		EXPECT_EQ(0, IOEVENTFD(0, variant->addr, len, DEASSIGN, 2));
		CHECK_WRITE(variant->addr, len ? len : 1, 9, NOBODY);
	}
}

/* Any descriptor of the same eventfd will do */
TEST_F(bus, deassign_by_dup)
{
	int fd = dup(self->rig.fd[0]);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, IOEVENTFD(0, variant->addr, 2, ASSIGN, 0));
	EXPECT_EQ(0, tiny_vm_ioeventfd(&self->rig.vm, fd, variant->addr, 2,
				       variant->flags | DEASSIGN, 0));
	close(fd);
}

/* ---- arguments ---- */

TEST_F(bus, flags)
{
	unsigned int bit;

	for (bit = 5; bit < 32; bit++) {
		if (1U << bit == KVM_IOEVENTFD_FLAG_HYPERCALL &&
		    tiny_vm_cap(KVM_CAP_IOEVENTFD_HYPERCALL) > 0)
			continue;
		EXPECT_EQ(-EINVAL, IOEVENTFD(0, variant->addr, 2, 1U << bit,
					     0)) {
			TH_LOG("bit %u", bit);
		}
	}
	/* Deassign looks at none of them */
	for (bit = 5; bit < 32; bit++) {
		if (1U << bit == KVM_IOEVENTFD_FLAG_HYPERCALL)
			continue;
		ASSERT_EQ(0, IOEVENTFD(0, variant->addr, 2, ASSIGN, 0));
		EXPECT_EQ(0, IOEVENTFD(0, variant->addr, 2,
				       DEASSIGN | 1U << bit, 0)) {
			TH_LOG("bit %u", bit);
		}
	}
}

/* The two that are known and are not for this: s390's, and an internal one */
TEST_F(bus, known_flags)
{
	const unsigned int ccw = KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY;
	const unsigned int fast = 1U << 4;
	/* PIO counts first; else it is a bus on which no guest rings here */
	const bool apart = variant->mmio;

	ASSERT_EQ(0, IOEVENTFD(0, variant->addr, 2, ccw, 0));
	CHECK_WRITE(variant->addr, 2, 1, apart ? NOBODY : 0);
	EXPECT_EQ(-EEXIST, IOEVENTFD(1, variant->addr, 2, ccw, 0));
	EXPECT_EQ(apart ? 0 : -EEXIST,
		  IOEVENTFD(1, variant->addr, 2, ASSIGN, 0));
	CHECK_WRITE(variant->addr, 2, 1, apart ? 1 : 0);
	EXPECT_EQ(0, IOEVENTFD(0, variant->addr, 2, ccw | DEASSIGN, 0));
	EXPECT_EQ(apart ? 0 : -ENOENT,
		  IOEVENTFD(1, variant->addr, 2, DEASSIGN, 0));

	/* It has no meaning */
	ASSERT_EQ(0, IOEVENTFD(0, variant->addr, 2, fast, 0));
	CHECK_WRITE(variant->addr, 2, 1, 0);
	EXPECT_EQ(-EEXIST, IOEVENTFD(1, variant->addr, 2, ASSIGN, 0));
	EXPECT_EQ(0, IOEVENTFD(0, variant->addr, 2, DEASSIGN, 0));
}

/* All of the struct is read, and what pads it plays no part */
TEST_F(bus, argument)
{
	struct kvm_ioeventfd args = {
		.addr = variant->addr,
		.len = 2,
		.fd = self->rig.fd[0],
		.flags = variant->flags,
	};
	int vm = self->rig.vm.vm;

	EXPECT_EQ(64, sizeof(args));
	EXPECT_EQ(-1, ioctl(vm, KVM_IOEVENTFD, NULL));
	EXPECT_EQ(EFAULT, errno);
	memset(args.pad, 0xff, sizeof(args.pad));
	ASSERT_EQ(0, ioctl(vm, KVM_IOEVENTFD, &args));
	CHECK_WRITE(variant->addr, 2, 1, 0);
	EXPECT_EQ(0, IOEVENTFD(0, variant->addr, 2, DEASSIGN, 0));
}

TEST_F(bus, lengths)
{
	static const unsigned int bad[] = {
		3, 5, 6, 7, 9, 16, 0x100, 0x10000, 0x80000000, 0xfffffff8, ~0U
	};
	unsigned int i, len;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, IOEVENTFD(0, variant->addr, bad[i], ASSIGN,
					     0));
		EXPECT_EQ(-EINVAL, IOEVENTFD(0, variant->addr, bad[i], MATCH,
					     0));
		/* Deassign finds nothing of such a length, and that's all */
		EXPECT_EQ(-ENOENT, IOEVENTFD(0, variant->addr, bad[i],
					     DEASSIGN, 0));
	}
	EXPECT_EQ(-EINVAL, IOEVENTFD(0, variant->addr, 0, MATCH, 0));
	EXPECT_EQ(-EINVAL, IOEVENTFD(0, variant->addr, 0, MATCH, 1));
	/* Those that are right, even if no such write exists on this bus */
	for (len = 1; len <= 8; len *= 2) {
		EXPECT_EQ(0, IOEVENTFD(0, variant->addr, len, ASSIGN, 0));
		EXPECT_EQ(0, IOEVENTFD(0, variant->addr, len, DEASSIGN, 0));
	}
}

/* The end of the range must not wrap around */
TEST_F(bus, wrap)
{
	unsigned int len;

	for (len = 1; len <= 8; len *= 2) {
		EXPECT_EQ(-EINVAL, IOEVENTFD(0, ~0ULL, len, ASSIGN, 0));
		EXPECT_EQ(-EINVAL, IOEVENTFD(0, 0ULL - len, len, ASSIGN, 0));
		EXPECT_EQ(-EINVAL, IOEVENTFD(0, 0ULL - len, len, MATCH, 0));
		EXPECT_EQ(-ENOENT, IOEVENTFD(0, 0ULL - len, len, DEASSIGN, 0));
		EXPECT_EQ(0, IOEVENTFD(0, 0ULL - len - 1, len, ASSIGN, 0));
		EXPECT_EQ(0, IOEVENTFD(0, 0ULL - len - 1, len, DEASSIGN, 0));
	}
	EXPECT_EQ(0, IOEVENTFD(0, ~0ULL, 0, ASSIGN, 0));
	EXPECT_EQ(0, IOEVENTFD(0, ~0ULL, 0, DEASSIGN, 0));
}

TEST_F(bus, bad_fd)
{
	unsigned int flags[] = { variant->flags, variant->flags | DEASSIGN };
	int closed = dup(self->rig.fd[0]);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	unsigned int i;

	ASSERT_LE(0, closed);
	ASSERT_LE(0, null);
	close(closed);
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		EXPECT_EQ(-EBADF, tiny_vm_ioeventfd(&self->rig.vm, -1,
						    variant->addr, 2, flags[i],
						    0));
		EXPECT_EQ(-EBADF, tiny_vm_ioeventfd(&self->rig.vm, closed,
						    variant->addr, 2, flags[i],
						    0));
		EXPECT_EQ(-EINVAL, tiny_vm_ioeventfd(&self->rig.vm, null,
						     variant->addr, 2,
						     flags[i], 0));
	}
	EXPECT_EQ(0, IOEVENTFD(0, variant->addr, 2, ASSIGN, 0));
	close(null);
}

/*
 * More of them. The harness keeps its list of tests per source file, and this is
 * one binary.
 */
#include "ioeventfd_lifetime.h"
#include "ioeventfd_churn.h"
#include "ioeventfd_hypercall.h"

/* ---- what the kernel says of itself ---- */

/* What is announced is there, and what is not is refused as unknown */
TEST(capabilities)
{
	const char *lacks = tiny_vm_lacks();
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	bool offered = tiny_vm_cap(KVM_CAP_IOEVENTFD) > 0;
	int length = offered ? 0 : -ENOTTY, hypercall;
	struct tiny_vm vm;

	if (lacks)
		SKIP(return, "%s", lacks);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, tiny_vm_create(&vm, MEM_SIZE));

	EXPECT_EQ(offered, tiny_vm_cap(KVM_CAP_IOEVENTFD_NO_LENGTH) > 0);
	EXPECT_EQ(offered, tiny_vm_cap(KVM_CAP_IOEVENTFD_ANY_LENGTH) > 0);
	hypercall = tiny_vm_cap(KVM_CAP_IOEVENTFD_HYPERCALL);
	EXPECT_LE(0, hypercall);
	if (!offered)
		EXPECT_EQ(0, hypercall);

	EXPECT_EQ(length, tiny_vm_ioeventfd(&vm, fd, MMIO, 0, ASSIGN, 0));
	EXPECT_EQ(length, tiny_vm_ioeventfd(&vm, fd, MMIO, 0, DEASSIGN, 0));
	EXPECT_EQ(offered ? -ENOENT : -ENOTTY,
		  tiny_vm_ioeventfd(&vm, fd, MMIO, 0, DEASSIGN, 0));
	if (!hypercall)
		EXPECT_EQ(offered ? -EINVAL : -ENOTTY,
			  tiny_vm_ioeventfd(&vm, fd, 1, 0,
					    KVM_IOEVENTFD_FLAG_HYPERCALL, 0));
	/* The other half is there in any case */
	EXPECT_EQ(0, tiny_vm_irqfd(&vm, fd, TINY_VM_GSI0, 0));
	EXPECT_EQ(0, tiny_vm_irqfd(&vm, fd, TINY_VM_GSI0,
				   KVM_IRQFD_FLAG_DEASSIGN));
	tiny_vm_destroy(&vm);
	close(fd);
}

TEST_HARNESS_MAIN
