/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rows of the notify benchmark: who hears a ring, and how it gets there.
 *
 * As in lib/ nothing here asserts or prints: 0 (or a value) is success, -errno
 * failure.
 */
#ifndef NOTIFY_ROWS_H
#define NOTIFY_ROWS_H

#include "../lib/vhdb_dev.h"
#include "notify_guest.h"

/* Provisional, of the KVM series that comes with this driver */
#ifndef KVM_CAP_IOEVENTFD_HYPERCALL
#define KVM_CAP_IOEVENTFD_HYPERCALL	0x76620001
#endif
#ifndef KVM_HC_IOEVENTFD
#define KVM_HC_IOEVENTFD		0x76620001
#endif
#ifndef KVM_IOEVENTFD_FLAG_HYPERCALL
#define KVM_IOEVENTFD_FLAG_HYPERCALL	(1U << 30)
#endif

enum notify_ring {
	RING_NOTHING,
	RING_CPUID,
	RING_MMIO,
	RING_PIO,
	RING_HC,
};

enum notify_path {
	PATH_NONE,	/* nothing rings: what the others are compared with */
	PATH_EXIT,	/* to the VMM, which does nothing about it */
	PATH_EXIT_BELL,	/* to the VMM, which rings the bell by ioctl */
	PATH_EXIT_LOOP,	/* to the VMM, which writes to the kick eventfd */
	PATH_EVENTFD,	/* ioeventfd that nobody waits for */
	PATH_BELL,	/* ioeventfd that the bell is hooked on */
	PATH_LOOP,	/* ioeventfd, virtqueue, irqfd: the guest's interrupt */
};

static inline bool notify_path_exits(enum notify_path path)
{
	return path == PATH_EXIT || path == PATH_EXIT_BELL ||
	       path == PATH_EXIT_LOOP;
}

static inline bool notify_path_loops(enum notify_path path)
{
	return path == PATH_LOOP || path == PATH_EXIT_LOOP;
}

struct notify_row {
	const char *name;
	const char *subject;
	enum notify_ring ring;
	enum notify_path path;
	const char *peer;	/* what it is compared with, or NULL */
	const char *peer2;
};

extern const struct notify_row notify_rows[];
extern const unsigned int notify_rows_count;

struct notify_rig {
	const struct notify_row *row;
	struct tiny_vm vm;
	struct notify_args *args;
	unsigned int rings_max;
	int eventfd;		/* that the ioeventfd signals */
	int bell;
	int dev;		/* of the loops */
	struct vhdb_backing backing;
	struct vhdb_vring vr;
	__u64 kicks;		/* of the loops' queue, at the last look */
};

/* Guest physical addresses: of the samples, of the loops' status byte */
#define NOTIFY_SAMPLES		0x100000
#define NOTIFY_STATUS		(TINY_VM_FREE + 0x3200)

/* The program that makes the row's rings, on this processor */
enum notify_program notify_row_program(const struct notify_row *row);

/* What one burst of rings was like. Ticks are of the vcpu's counter. */
struct notify_burst {
	unsigned int rings;
	double ns;		/* from the first ring to behind the last */
	double ticks;		/* the same on the vcpu */
	__u32 p50, p99, min, max;	/* of a single round trip, ticks */
	unsigned long user_exits;	/* returns of KVM_RUN for a ring */
	unsigned long other_exits;	/* for anything else but the end */
	double kvm_exits;	/* all, as KVM counts them; -1: unknown */
	__u64 heard;		/* rings that arrived where the row says */
};

/*
 * Build what @row needs: 0, -errno, or -EOPNOTSUPP where this machine cannot have
 * it, @why saying what is lacking.
 */
int notify_rig_create(struct notify_rig *rig, const struct notify_row *row,
		      unsigned int rings_max, const char **why);
void notify_rig_destroy(struct notify_rig *rig);
/* Ring @rings times: 0, -ETIMEDOUT, -EPROTO for an exit that should not be */
int notify_rig_run(struct notify_rig *rig, unsigned int rings,
		   struct notify_burst *burst);
/* NULL if the burst was what the row says, or what was wrong with it */
const char *notify_burst_wrong(const struct notify_rig *rig,
			       const struct notify_burst *burst);

#endif /* NOTIFY_ROWS_H */
