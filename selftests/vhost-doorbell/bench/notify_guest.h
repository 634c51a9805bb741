/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest of the notify benchmark: it rings a doorbell so many times, and
 * notes for each ring how long it took by the vcpu's own time-stamp counter.
 *
 * Real mode with flat segments, as tiny_vm.h sets it up; hypercalls work there
 * as well (CPL is 0, numbers have 32 bits).
 */
#ifndef NOTIFY_GUEST_H
#define NOTIFY_GUEST_H

#include "../lib/tiny_vm.h"

/* What is timed */
enum notify_program {
	NOTIFY_NOTHING,		/* two reads of the counter */
	NOTIFY_CPUID,		/* an exit that KVM answers by itself */
	NOTIFY_PIO,
	NOTIFY_MMIO,
	NOTIFY_VMCALL,
	NOTIFY_VMMCALL,
	/* The same, and until the interrupt that answers it was taken */
	NOTIFY_PIO_LOOP,
	NOTIFY_MMIO_LOOP,
	NOTIFY_VMCALL_LOOP,
	NOTIFY_VMMCALL_LOOP,
	NOTIFY_PROGRAMS
};

#define NOTIFY_STORE	2	/* bytes of a ring by PIO or MMIO */
#define NOTIFY_DONE	0xf4	/* port of the OUT behind the last ring */
#define NOTIFY_VECTOR	0x40	/* of the interrupt, an MSI to the local APIC */

/* At TINY_VM_ARGS */
struct notify_args {
	__u32 entry;		/* of the program, set by notify_guest_load() */
	__u32 samples;		/* address of an array of __u32: ticks per ring */
	__u32 samples_end;
	__u32 doorbell;		/* port, address, or rbx of the hypercall */
	__u32 hc_nr;		/* rax, */
	__u32 hc_a1;		/* rcx, */
	__u32 hc_a2;		/* rdx */
	__u32 hc_ret;		/* what the last hypercall answered */
	__u32 avail_idx;	/* next index to publish, of the loops */
	__u32 driver;		/* address of the driver area */
	__u32 irqs;		/* interrupts taken */
	__u32 irqs_seen;
	__u64 tsc_first;	/* before the first ring */
	__u64 tsc_last;		/* behind the last */
};

/* Its code, the handler of the interrupt in there, and the programs (x86 only) */
extern const char notify_code[], notify_end[], notify_irq[];
extern const __u32 notify_offsets[NOTIFY_PROGRAMS];

/* Copy the code and point the vcpu at @program */
int notify_guest_load(struct tiny_vm *vm, enum notify_program program);

#endif /* NOTIFY_GUEST_H */
