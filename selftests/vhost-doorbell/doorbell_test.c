// SPDX-License-Identifier: GPL-2.0
/*
 * The doorbell itself: guest code stores, vhost-doorbell serves the request,
 * an interrupt comes back, and userspace is not in it. A tiny VM is the guest
 * and its driver; this process only sets things up, enters KVM_RUN once, and
 * counts how often KVM_RUN returned.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <endian.h>
#include <string.h>
#include <sys/eventfd.h>

#include "kselftest_harness.h"
#include "lib/tiny_vm.h"
#include "lib/vhdb_dev.h"

/* A thousand, to be shared among up to four queues */
#define LOOPS		(4 * vhdb_rounds(250))
/* Exits to userspace are slow under emulation. */
#define CONTROL_LOOPS	vhdb_rounds(100)

#define MEM_SIZE	(1024 * 1024UL)
#define RING_SIZE	256

/* virtio-pci's notify area in its PIO form is where this stands in a real VM */
#define DOORBELL_PORT	0xc050

/* Chains of three descriptors that stand ready in each ring */
#define CHAINS		64
#define HEADER_BYTES	16
#define DATA_BYTES	512
#define SERIAL		"tiny-vm-doorbell"

/* Guest physical addresses of queue q: 128 KiB each from TINY_VM_FREE */
#define Q_BASE(q)	(TINY_VM_FREE + (q) * 0x20000UL)
#define Q_DESC(q)	(Q_BASE(q))
#define Q_DRIVER(q)	(Q_BASE(q) + 0x1000)
#define Q_DEVICE(q)	(Q_BASE(q) + 0x2000)
#define Q_STATUS(q)	(Q_BASE(q) + 0x3000)
#define Q_HEADERS(q)	(Q_BASE(q) + 0x4000)
#define Q_DATA(q)	(Q_BASE(q) + 0x8000)

/* A VM and the device that serves it */
struct rig {
	struct tiny_vm vm;
	struct tiny_driver *args;
	struct vhdb_backing backing;
	struct vhdb_vring vr[TINY_DRIVER_QUEUES];
	unsigned int queues;
	int dev;
};

FIXTURE(doorbell) {
	struct rig rig;
};

FIXTURE_SETUP(doorbell)
{
	struct rig *rig = &self->rig;
	const char *missing = tiny_vm_missing();
	unsigned int q;

	rig->dev = -1;
	rig->backing.fd = -1;
	for (q = 0; q < TINY_DRIVER_QUEUES; q++) {
		rig->vr[q].kick = -1;
		rig->vr[q].call = -1;
		rig->vr[q].err = -1;
	}
	if (missing)
		SKIP(return, "%s", missing);

	ASSERT_EQ(0, vhdb_backing_ram(&rig->backing, 0));
	ASSERT_EQ(0, tiny_vm_create(&rig->vm, MEM_SIZE));
	rig->args = tiny_vm_ptr(&rig->vm, TINY_VM_ARGS, sizeof(*rig->args));
	ASSERT_NE(NULL, rig->args);
	rig->dev = vhdb_open();
	ASSERT_LE(0, rig->dev);
}

static void close_fds(struct vhdb_vring *vr)
{
	int *fds[] = { &vr->kick, &vr->call, &vr->err };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

FIXTURE_TEARDOWN(doorbell)
{
	struct rig *rig = &self->rig;
	unsigned int q;

	if (rig->dev >= 0)
		close(rig->dev);
	for (q = 0; q < TINY_DRIVER_QUEUES; q++)
		close_fds(&rig->vr[q]);
	tiny_vm_destroy(&rig->vm);
	vhdb_backing_free(&rig->backing);
}

static struct vhdb_guest_mem guest_mem(struct rig *rig)
{
	struct vhdb_guest_mem mem = {
		.kind = VHDB_MEM_MEMFD,
		.hva = rig->vm.mem,
		.iova = 0,	/* IOVA is the guest physical address */
		.size = MEM_SIZE,
		.fd = rig->vm.mem_fd,
	};

	return mem;
}

/* Every fourth request asks for the serial, the others read a sector each */
static bool chain_is_get_id(unsigned int chain)
{
	return chain % 4 == 3;
}

static __u64 chain_sector(unsigned int q, unsigned int chain)
{
	return q * CHAINS + chain;
}

/* What a guest's driver writes before it starts, done for it */
static void fill_queue(struct rig *rig, unsigned int q)
{
	struct vring_desc *desc = tiny_vm_ptr(&rig->vm, Q_DESC(q), 0x1000);
	struct vring_avail *avail = tiny_vm_ptr(&rig->vm, Q_DRIVER(q), 0x1000);
	struct virtio_blk_outhdr *header;
	struct vring_desc *d;
	unsigned int i;

	memset(tiny_vm_ptr(&rig->vm, Q_STATUS(q), CHAINS), 0xff, CHAINS);
	for (i = 0; i < RING_SIZE; i++)
		avail->ring[i] = htole16(i % CHAINS * 3);

	for (i = 0; i < CHAINS; i++) {
		header = tiny_vm_ptr(&rig->vm, Q_HEADERS(q) + i * HEADER_BYTES,
				     HEADER_BYTES);
		header->type = htole32(chain_is_get_id(i) ? VIRTIO_BLK_T_GET_ID :
							    VIRTIO_BLK_T_IN);
		header->sector = htole64(chain_is_get_id(i) ?
					 0 : chain_sector(q, i));

		d = &desc[i * 3];
		d[0].addr = htole64(Q_HEADERS(q) + i * HEADER_BYTES);
		d[0].len = htole32(HEADER_BYTES);
		d[0].flags = htole16(VRING_DESC_F_NEXT);
		d[0].next = htole16(i * 3 + 1);
		d[1].addr = htole64(Q_DATA(q) + i * DATA_BYTES);
		d[1].len = htole32(chain_is_get_id(i) ? VIRTIO_BLK_ID_BYTES :
							DATA_BYTES);
		d[1].flags = htole16(VRING_DESC_F_NEXT | VRING_DESC_F_WRITE);
		d[1].next = htole16(i * 3 + 2);
		d[2].addr = htole64(Q_STATUS(q) + i);
		d[2].len = htole32(1);
		d[2].flags = htole16(VRING_DESC_F_WRITE);
	}
}

static void setup_queue(struct __test_metadata *_metadata,
			struct rig *rig, unsigned int q)
{
	struct tiny_driver_queue *gq = &rig->args->q[q];
	struct vhdb_vring *vr = &rig->vr[q];

	vr->index = q;
	vr->num = RING_SIZE;
	vr->desc_iova = Q_DESC(q);
	vr->avail_iova = Q_DRIVER(q);
	vr->used_iova = Q_DEVICE(q);
	vr->desc = tiny_vm_ptr(&rig->vm, Q_DESC(q), 0x1000);
	vr->avail = tiny_vm_ptr(&rig->vm, Q_DRIVER(q), 0x1000);
	vr->used = tiny_vm_ptr(&rig->vm, Q_DEVICE(q), 0x1000);
	vr->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vr->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vr->err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_LE(0, vr->kick);
	ASSERT_LE(0, vr->call);
	ASSERT_LE(0, vr->err);

	gq->driver = Q_DRIVER(q);
	gq->used_event = Q_DRIVER(q) + offsetof(struct vring_avail, ring) +
			 RING_SIZE * sizeof(__u16);
	gq->device = Q_DEVICE(q);
	gq->status = Q_STATUS(q);
	gq->status_mask = CHAINS - 1;
	gq->value = q;
	fill_queue(rig, q);

	ASSERT_EQ(0, tiny_vm_irqfd(&rig->vm, vr->call,
				   TINY_VM_GSI0 + q, 0));
	ASSERT_EQ(0, vhdb_vring_setup(rig->dev, vr));
	ASSERT_EQ(0, __vhdb_set_vring_enable(rig->dev, q, 1));
}

/* Everything up to the guest's first instruction, but no ioeventfd */
static void start(struct __test_metadata *_metadata,
		  struct rig *rig, bool mmio, __u64 features,
		  unsigned int loops)
{
	struct vhdb_opts opts = {
		.queues = rig->queues,
		.queue_size = RING_SIZE,
		.serial = SERIAL,
	};
	struct vhdb_guest_mem mem = guest_mem(rig);
	unsigned int q;
	__u64 got;

	rig->args->loops = loops;
	rig->args->queue_mask = rig->queues - 1;
	rig->args->mmio = mmio;
	rig->args->doorbell = mmio ? TINY_VM_MMIO : DOORBELL_PORT;

	ASSERT_EQ(0, vhdb_attach_blk(rig->dev, rig->backing.fd, &opts));
	ASSERT_EQ(0, __vhdb_set_owner(rig->dev));
	ASSERT_EQ(0, vhdb_mem_map(rig->dev, &mem, VHOST_ACCESS_RW));
	ASSERT_EQ(0, vhdb_negotiate(rig->dev, VHDB_F_REQUIRED | features,
				    &got));
	ASSERT_EQ(features, got & features);
	for (q = 0; q < rig->queues; q++)
		setup_queue(_metadata, rig, q);
	ASSERT_EQ(0, vhdb_driver_ok(rig->dev));

	ASSERT_EQ(0, tiny_vm_load_driver(&rig->vm));
}

/* For the log of a test whose guest did not get to its end */
static void show_state(struct __test_metadata *_metadata,
		       struct rig *rig)
{
	struct vhost_doorbell_stats stats;
	unsigned int q;
	__u64 ip = 0;

	tiny_vcpu_ip(&rig->vm.cpu[0], &ip);
	TH_LOG("guest at code + 0x%llx, %u of %u requests done, status 0x%x",
	       ip - TINY_VM_CODE, rig->args->completed, rig->args->loops,
	       vhdb_status(rig->dev));
	for (q = 0; q < rig->queues; q++) {
		memset(&stats, 0, sizeof(stats));
		vhdb_get_stats(rig->dev, q, &stats);
		TH_LOG("queue %u: avail idx %u, used idx %u, interrupts %u",
		       q, le16toh(rig->vr[q].avail->idx),
		       le16toh(rig->vr[q].used->idx), rig->args->q[q].irqs);
		TH_LOG("  kicks %llu wakeups %llu requests %llu completions %llu",
		       stats.kicks, stats.wakeups, stats.requests,
		       stats.completions);
		TH_LOG("  signals %llu suppressed %llu errors %llu broken %llu",
		       stats.signals, stats.signals_suppressed, stats.errors,
		       stats.broken);
	}
}

/* One exit; the test fails if there is none in time */
static int run(struct __test_metadata *_metadata,
	       struct rig *rig)
{
	int reason = tiny_vcpu_run(&rig->vm.cpu[0], 6 * vhdb_timeout_ms());

	if (reason < 0)
		show_state(_metadata, rig);
	EXPECT_LE(0, reason);
	return reason;
}

/* Is the exit the guest's last word? */
static bool exit_is_done(const struct tiny_vm *vm)
{
	struct tiny_vm_access access;

	return !tiny_vcpu_access(&vm->cpu[0], &access) && access.pio && access.write &&
	       access.addr == TINY_DRIVER_DONE;
}

static bool exit_is_doorbell(const struct tiny_vm *vm, bool mmio, __u64 value)
{
	struct tiny_vm_access access;

	return !tiny_vcpu_access(&vm->cpu[0], &access) && access.pio == !mmio &&
	       access.write && access.len == TINY_DRIVER_STORE &&
	       access.addr == (mmio ? TINY_VM_MMIO : DOORBELL_PORT) &&
	       access.value == value;
}

/* What the guest, its memory and the device's counters say of @n requests */
static void check_queue(struct __test_metadata *_metadata,
			struct rig *rig, unsigned int q,
			unsigned int n)
{
	const struct tiny_driver_queue *gq = &rig->args->q[q];
	const struct vring_used *used = rig->vr[q].used;
	unsigned char expect[DATA_BYTES], *data;
	struct vhost_doorbell_stats stats;
	unsigned int i, chain, wrong = 0;
	__u64 bytes = 0;

	/* The guest saw each request end in one interrupt, and well */
	EXPECT_EQ(n, gq->irqs);
	EXPECT_EQ(0, gq->early);
	EXPECT_EQ(0, gq->bad);

	/* The last lap of the used ring, in order: one was in flight */
	EXPECT_EQ(n & 0xffff, le16toh(used->idx));
	for (i = n > RING_SIZE ? n - RING_SIZE : 0; i < n; i++) {
		const struct vring_used_elem *e = &used->ring[i % RING_SIZE];

		chain = i % CHAINS;
		if (le32toh(e->id) != chain * 3 ||
		    le32toh(e->len) != (chain_is_get_id(chain) ?
					VIRTIO_BLK_ID_BYTES : DATA_BYTES) + 1)
			wrong++;
	}
	EXPECT_EQ(0, wrong);

	for (i = 0; i < n; i++)
		bytes += chain_is_get_id(i % CHAINS) ? 0 : DATA_BYTES;
	for (chain = 0; chain < CHAINS && chain < n; chain++) {
		data = tiny_vm_ptr(&rig->vm, Q_DATA(q) + chain * DATA_BYTES,
				   DATA_BYTES);
		memset(expect, 0, sizeof(expect));
		if (chain_is_get_id(chain))
			memcpy(expect, SERIAL, sizeof(SERIAL));
		else
			vhdb_pattern(expect, chain_sector(q, chain),
				     DATA_BYTES);
		EXPECT_EQ(0, memcmp(expect, data, DATA_BYTES)) {
			TH_LOG("queue %u: wrong data in chain %u", q, chain);
		}
	}

	ASSERT_EQ(0, vhdb_get_stats(rig->dev, q, &stats));
	/* A start may count one kick of its own */
	EXPECT_LE(n, stats.kicks);
	EXPECT_GE(n + 1, stats.kicks);
	EXPECT_LE(1, stats.wakeups);
	EXPECT_EQ(n, stats.requests);
	EXPECT_EQ(n, stats.completions);
	EXPECT_EQ(n, stats.signals);
	EXPECT_EQ(0, stats.signals_suppressed);
	/* Whether the serial counts as payload is the driver's business */
	EXPECT_LE(bytes, stats.bytes_read);
	EXPECT_EQ(0, stats.bytes_written);
	EXPECT_EQ(0, stats.errors);
	EXPECT_EQ(0, stats.broken);
}

/* The only way out of KVM_RUN was the guest's last instruction but one */
static void check_no_exits(struct __test_metadata *_metadata,
			   struct rig *rig)
{
	unsigned int reason;
	__u64 in_kernel;

	EXPECT_TRUE(exit_is_done(&rig->vm));
	EXPECT_EQ(1, rig->vm.cpu[0].runs);
	EXPECT_EQ(1, rig->vm.cpu[0].exits[KVM_EXIT_IO]);
	for (reason = 0; reason < TINY_VM_EXITS; reason++) {
		if (reason == KVM_EXIT_IO)
			continue;
		EXPECT_EQ(0, rig->vm.cpu[0].exits[reason]) {
			TH_LOG("exit reason %u", reason);
		}
	}
	if (!tiny_vcpu_kvm_stat(&rig->vm.cpu[0], "exits", &in_kernel))
		TH_LOG("%llu exits stayed in the kernel, none but the last went to userspace",
		       in_kernel - 1);
}

/* ---- no exit to userspace from doorbell to interrupt ---- */

FIXTURE_VARIANT(doorbell) {
	bool mmio;
	__u64 features;
};

FIXTURE_VARIANT_ADD(doorbell, pio) {
	.mmio = false,
};

FIXTURE_VARIANT_ADD(doorbell, mmio) {
	.mmio = true,
};

FIXTURE_VARIANT_ADD(doorbell, pio_event_idx) {
	.mmio = false,
	.features = VHDB_BIT(VIRTIO_RING_F_EVENT_IDX),
};

FIXTURE_VARIANT_ADD(doorbell, mmio_event_idx) {
	.mmio = true,
	.features = VHDB_BIT(VIRTIO_RING_F_EVENT_IDX),
};

static __u64 doorbell_addr(bool mmio)
{
	return mmio ? TINY_VM_MMIO : DOORBELL_PORT;
}

static unsigned int doorbell_flags(bool mmio)
{
	return mmio ? 0 : KVM_IOEVENTFD_FLAG_PIO;
}

TEST_F_TIMEOUT(doorbell, no_exits, 600)
{
	struct rig *rig = &self->rig;

	rig->queues = 1;
	start(_metadata, rig, variant->mmio, variant->features, LOOPS);
	ASSERT_EQ(0, tiny_vm_ioeventfd(&rig->vm, rig->vr[0].kick,
				       doorbell_addr(variant->mmio),
				       TINY_DRIVER_STORE,
				       doorbell_flags(variant->mmio), 0));

	ASSERT_EQ(KVM_EXIT_IO, run(_metadata, rig));
	check_no_exits(_metadata, rig);
	check_queue(_metadata, rig, 0, LOOPS);
}

/*
 * The control: the same guest without the ioeventfd. Each ring comes to
 * userspace (so the count above would have seen it), which hands it on; that
 * a guest gets its work done this way as well is the VMM's slow path.
 */
TEST_F_TIMEOUT(doorbell, control_without_ioeventfd, 600)
{
	struct rig *rig = &self->rig;
	unsigned int i;

	rig->queues = 1;
	start(_metadata, rig, variant->mmio, variant->features, CONTROL_LOOPS);

	for (i = 0; i < CONTROL_LOOPS; i++) {
		ASSERT_EQ(variant->mmio ? KVM_EXIT_MMIO : KVM_EXIT_IO,
			  run(_metadata, rig));
		ASSERT_TRUE(exit_is_doorbell(&rig->vm, variant->mmio, 0));
		ASSERT_EQ(0, vhdb_vring_kick(&rig->vr[0]));
	}
	ASSERT_EQ(KVM_EXIT_IO, run(_metadata, rig));
	EXPECT_TRUE(exit_is_done(&rig->vm));

	EXPECT_EQ(CONTROL_LOOPS + 1, rig->vm.cpu[0].runs);
	EXPECT_EQ(variant->mmio ? CONTROL_LOOPS : 0,
		  rig->vm.cpu[0].exits[KVM_EXIT_MMIO]);
	EXPECT_EQ(variant->mmio ? 1 : CONTROL_LOOPS + 1,
		  rig->vm.cpu[0].exits[KVM_EXIT_IO]);
	check_queue(_metadata, rig, 0, CONTROL_LOOPS);
}

/*
 * Two queues behind one address, told apart by the value stored: each ring
 * must reach its own queue only.
 */
TEST_F_TIMEOUT(doorbell, datamatch_two_queues, 600)
{
	struct rig *rig = &self->rig;
	unsigned int flags = doorbell_flags(variant->mmio) |
			     KVM_IOEVENTFD_FLAG_DATAMATCH;
	unsigned int q;

	rig->queues = 2;
	start(_metadata, rig, variant->mmio, variant->features, LOOPS);
	for (q = 0; q < rig->queues; q++)
		ASSERT_EQ(0, tiny_vm_ioeventfd(&rig->vm, rig->vr[q].kick,
					       doorbell_addr(variant->mmio),
					       TINY_DRIVER_STORE, flags, q));

	ASSERT_EQ(KVM_EXIT_IO, run(_metadata, rig));
	check_no_exits(_metadata, rig);
	for (q = 0; q < rig->queues; q++)
		check_queue(_metadata, rig, q, LOOPS / rig->queues);
}

/* A value that no queue has is not ours: userspace gets it, no queue is rung */
TEST_F_TIMEOUT(doorbell, datamatch_miss, 600)
{
	struct rig *rig = &self->rig;
	unsigned int flags = doorbell_flags(variant->mmio) |
			     KVM_IOEVENTFD_FLAG_DATAMATCH;
	struct vhost_doorbell_stats before, after;

	rig->queues = 1;
	start(_metadata, rig, variant->mmio, variant->features, 1);
	ASSERT_EQ(0, tiny_vm_ioeventfd(&rig->vm, rig->vr[0].kick,
				       doorbell_addr(variant->mmio),
				       TINY_DRIVER_STORE, flags, 0));
	rig->args->q[0].value = 7;
	ASSERT_EQ(0, vhdb_get_stats(rig->dev, 0, &before));

	ASSERT_EQ(variant->mmio ? KVM_EXIT_MMIO : KVM_EXIT_IO,
		  run(_metadata, rig));
	EXPECT_TRUE(exit_is_doorbell(&rig->vm, variant->mmio, 7));
	ASSERT_EQ(0, vhdb_get_stats(rig->dev, 0, &after));
	EXPECT_EQ(before.kicks, after.kicks);

	/* Handed on after all, the request is served and the guest ends */
	ASSERT_EQ(0, vhdb_vring_kick(&rig->vr[0]));
	ASSERT_EQ(KVM_EXIT_IO, run(_metadata, rig));
	EXPECT_TRUE(exit_is_done(&rig->vm));
	EXPECT_EQ(1, rig->args->completed);
}

/*
 * An ioeventfd keeps the context of its eventfd, not the file; the driver
 * keeps the file. So a VMM may close its descriptor once everything is wired.
 * (Not that of the irqfd: KVM takes that one down when the file goes.)
 */
TEST_F_TIMEOUT(doorbell, kick_closed, 600)
{
	struct rig *rig = &self->rig;

	rig->queues = 1;
	start(_metadata, rig, variant->mmio, variant->features, CONTROL_LOOPS);
	ASSERT_EQ(0, tiny_vm_ioeventfd(&rig->vm, rig->vr[0].kick,
				       doorbell_addr(variant->mmio),
				       TINY_DRIVER_STORE,
				       doorbell_flags(variant->mmio), 0));
	close(rig->vr[0].kick);
	rig->vr[0].kick = -1;

	ASSERT_EQ(KVM_EXIT_IO, run(_metadata, rig));
	check_no_exits(_metadata, rig);
	check_queue(_metadata, rig, 0, CONTROL_LOOPS);
}

TEST_HARNESS_MAIN
