/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The smallest VMM that can ring a doorbell: a few vcpus, memory from guest
 * physical address 0 up, the in-kernel interrupt controllers, ioeventfds and
 * irqfds. The guest is a few instructions of the test's own; there is no
 * firmware and no device model, so whatever the guest writes and KVM does not
 * take comes back from tiny_vcpu_run(), counted by reason.
 *
 * A vcpu starts in real mode, with segments of base 0 and limit 4 GiB: code is
 * 16-bit (.code16) and lies below 64 KiB, but 32-bit registers and addresses may
 * be used and reach everything, MMIO too. It needs no descriptor tables, and
 * KVM's emulator, which some hosts run all such guests in, knows all of it (of
 * protected mode it lacks iret). tiny_mode.c has the other modes.
 *
 * As in vhdb_dev.h nothing here asserts or prints: 0 (or a value) is success,
 * -errno failure.
 */
#ifndef TINY_VM_H
#define TINY_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>
#include <linux/kvm.h>
#include <linux/types.h>

/* Hypercall doorbells: of a patched kernel's headers only, and provisional */
#ifndef KVM_CAP_IOEVENTFD_HYPERCALL
#define KVM_CAP_IOEVENTFD_HYPERCALL	0x76620001
#define KVM_IOEVENTFD_FLAG_HYPERCALL	(1U << 30)
#endif
#ifndef KVM_HC_IOEVENTFD
#define KVM_HC_IOEVENTFD		0x76620001
#endif

/* Where things lie in the guest's memory */
#define TINY_VM_IVT		0x0000	/* 256 vectors, 1 KiB */
#define TINY_VM_ARGS		0x1000	/* a page for what guest and test share */
#define TINY_VM_CODE		0x2000	/* 16 KiB for the guest's code */
#define TINY_VM_STACK		0x8000	/* grows down from here */
#define TINY_VM_PAGING		0x9000	/* page tables of the 64-bit modes */
#define TINY_VM_FREE		0x10000	/* from here on: the test's own */

/*
 * Lines of the first 8259 that tests may take for irqfds, and the vectors that
 * they come in at when the guest sets the 8259's base to TINY_VM_PIC_BASE.
 * A GSI below 16 is by default routed there (and to the IOAPIC, whose pins
 * come up masked).
 */
#define TINY_VM_GSI0		5
#define TINY_VM_GSI1		(TINY_VM_GSI0 + 1)
#define TINY_VM_PIC_BASE	0x20

/* No memory is there and no chip of KVM's, so a store is an MMIO exit */
#define TINY_VM_MMIO		0xd0000000

#define TINY_VM_EXITS		64	/* exit reasons that are told apart */
#define TINY_VM_CPUS		8	/* at most */

struct tiny_vcpu {
	int fd;
	struct kvm_run *run;
	size_t run_size;

	/* Exits to userspace: returns of KVM_RUN, all and by KVM_EXIT_* */
	unsigned long runs;
	unsigned long exits[TINY_VM_EXITS];

	timer_t timer;			/* bounds a KVM_RUN that never returns */
	pid_t timer_thread;		/* whom it wakes, 0: not created */
	int timed_out;			/* set by its signal, atomically */
};

struct tiny_vm {
	int kvm;
	int vm;
	struct tiny_vcpu cpu[TINY_VM_CPUS];
	unsigned int cpus;

	void *mem;			/* guest physical 0, shared memory */
	size_t mem_size;
	int mem_fd;			/* memfd of it */
	unsigned int slots;
};

/* A guest access that nobody in the kernel took */
struct tiny_vm_access {
	bool pio;			/* else MMIO */
	bool write;
	__u64 addr;			/* or port */
	unsigned int len;
	__u64 value;			/* of a write */
};

/*
 * What this machine lacks for a tiny VM, and for one with doorbells, as a text
 * for SKIP(); NULL when nothing is lacking.
 */
const char *tiny_vm_lacks(void);
const char *tiny_vm_missing(void);
/* KVM_CHECK_EXTENSION of /dev/kvm */
int tiny_vm_cap(int cap);

/* A VM with @mem_size bytes (multiple of the page size) at 0 and one vcpu */
int tiny_vm_create(struct tiny_vm *vm, size_t mem_size);
void tiny_vm_destroy(struct tiny_vm *vm);
/* One more vcpu, runnable as the first is: its index in vm->cpu */
int tiny_vm_add_vcpu(struct tiny_vm *vm);
/* One more memory slot: the caller's @hva at @gpa */
int tiny_vm_add_memory(struct tiny_vm *vm, __u64 gpa, size_t size, void *hva);

/* Host pointer of @len bytes of the first slot at @gpa, NULL if outside */
void *tiny_vm_ptr(const struct tiny_vm *vm, __u64 gpa, size_t len);
/* Copy position-independent code to TINY_VM_CODE and point vcpu 0 there */
int tiny_vm_load(struct tiny_vm *vm, const void *code, size_t len);
/* Where it is to go on: the ip, a stack, interrupts off */
int tiny_vcpu_start_at(struct tiny_vcpu *cpu, __u32 gpa);
/* Handler of interrupt @vector: @gpa, below 64 KiB */
int tiny_vm_set_vector(struct tiny_vm *vm, unsigned int vector, __u32 gpa);

/* KVM_IOEVENTFD and KVM_IRQFD; @flags are KVM's, DEASSIGN included */
int tiny_vm_ioeventfd(struct tiny_vm *vm, int eventfd, __u64 addr,
		      unsigned int len, unsigned int flags, __u64 datamatch);
int tiny_vm_irqfd(struct tiny_vm *vm, int eventfd, unsigned int gsi,
		  unsigned int flags);

/*
 * Run until an exit to userspace: its KVM_EXIT_*, or -ETIMEDOUT. A signal that
 * is not the timer's is counted (as KVM_EXIT_INTR) and run over. To be called
 * from one thread at a time for each vcpu.
 */
int tiny_vcpu_run(struct tiny_vcpu *cpu, int timeout_ms);
/* Details of the exit: 0, or -ENOENT if it was neither PIO nor MMIO */
int tiny_vcpu_access(const struct tiny_vcpu *cpu,
		     struct tiny_vm_access *access);
/* Where the vcpu stands, for messages of a test that failed */
int tiny_vcpu_ip(const struct tiny_vcpu *cpu, __u64 *ip);

/*
 * A cumulative counter of the vcpu as KVM itself keeps it ("exits",
 * "io_exits", "halt_exits", ...: all exits, also those that KVM handled by
 * itself). -EOPNOTSUPP or -ENOENT when this kernel does not have it.
 */
int tiny_vcpu_kvm_stat(const struct tiny_vcpu *cpu, const char *name,
		       __u64 *value);

/* ---- other modes than real mode (tiny_mode.c) ---- */

enum tiny_mode {
	TINY_COMPAT,		/* 32-bit code in long mode */
	TINY_LONG,		/* 64-bit code */
	TINY_LONG_USER,		/* the same at CPL 3, which may do PIO, not hlt */
};

#define TINY_VM_HIGH	0x100000000ULL	/* a GiB from here on is mapped, too */

/*
 * The mode in which the vcpu goes on; its registers are left alone. The first 5
 * GiB of guest physical memory are mapped one to one, writable by any CPL, by
 * tables at TINY_VM_PAGING. -EOPNOTSUPP if this machine has no long mode.
 */
int tiny_vcpu_set_mode(struct tiny_vm *vm, struct tiny_vcpu *cpu,
		       enum tiny_mode mode);

/* ---- a guest: the smallest virtio driver ---- */

/*
 * For i in 0 .. loops - 1, on queue i & queue_mask: make the next request
 * available, ring, hlt until the queue's interrupt came, look at the status
 * byte. Then one OUT to TINY_DRIVER_DONE, which is an exit.
 *
 * The caller fills in the ring beforehand: an entry of the driver area names
 * the same chain for good, so that making it available is a store of the
 * index; the chain of avail index k has its status byte at status + (k &
 * status_mask). The guest puts 0xff there before the chain's next turn. It
 * rings for each request, even while the device has notifications off, which
 * makes the number of kicks a known one.
 *
 * Nothing but the two interrupt handlers writes irqs; the caller may look at
 * any of this once the VM has stopped. Little-endian, as all guest memory.
 */
struct tiny_driver_queue {
	__u32 avail_idx;	/* next index to publish */
	__u32 driver;		/* address of the driver area */
	__u32 used_event;	/* address of that field of it */
	__u32 device;		/* address of the device area */
	__u32 status;		/* address of the status bytes */
	__u32 status_mask;
	__u32 value;		/* what is stored to the doorbell */
	__u32 irqs;		/* interrupts taken */
	__u32 irqs_seen;	/* how many of them the loop has answered */
	__u32 early;		/* interrupts with nothing new in the ring */
	__u32 bad;		/* requests whose status was not OK */
	__u32 reserved[5];
};

#define TINY_DRIVER_QUEUES	2	/* queue q's interrupt is TINY_VM_GSI0 + q */
#define TINY_DRIVER_DONE	0xf4	/* port */
#define TINY_DRIVER_STORE	2	/* bytes that are stored to the doorbell */

/* At TINY_VM_ARGS */
struct tiny_driver {
	__u32 loops;
	__u32 queue_mask;	/* 0 for one queue, 1 for two */
	__u32 mmio;		/* 0: OUT, else a store to memory */
	__u32 doorbell;		/* port or address */
	__u32 completed;	/* requests answered so far */
	__u32 reserved[11];
	struct tiny_driver_queue q[TINY_DRIVER_QUEUES];
};

/* Its code, and within it the handlers of its two interrupts (x86 only) */
extern const char tiny_driver_code[], tiny_driver_end[];
extern const char tiny_driver_irq0[], tiny_driver_irq1[];

/* Load it and set its vectors; its arguments are the caller's to fill in */
int tiny_vm_load_driver(struct tiny_vm *vm);

/* ---- a guest that writes what it is told to (tiny_script.c) ---- */

enum tiny_op {
	TINY_OP_OUT1,		/* value to port addr, by its width in bytes */
	TINY_OP_OUT2,
	TINY_OP_OUT4,
	TINY_OP_STORE1,		/* value to memory at addr */
	TINY_OP_STORE2,
	TINY_OP_STORE4,
	TINY_OP_STORE8,
	TINY_OP_IN4,		/* result: what came from port addr */
	TINY_OP_LOAD4,		/* result: what came from memory at addr */
	TINY_OP_VMMCALL,	/* hypercall nr with a0 = addr, a1 = value; its */
	TINY_OP_VMCALL,		/* result. AMD's instruction and Intel's. */
};

struct tiny_step {
	__u32 op;
	__u32 reserved;
	__u64 addr;
	__u64 value;
	__u64 nr;
	__u64 result;
};

/*
 * All steps, one after the other, loops times or until stop is seen; then one
 * OUT to TINY_DRIVER_DONE, which is an exit. The guest counts the rounds that
 * it has finished, each with all of its steps, in done. The caller may look at
 * done and set stop meanwhile.
 */
struct tiny_script {
	__u64 loops;
	__u64 done;
	__u32 stop;
	__u32 steps;
	struct tiny_step step[];
};

/* Its code, and the single hypercall's with either instruction (x86 only) */
extern const char tiny_script_code[], tiny_script_end[];
extern const char tiny_vmmcall_code[], tiny_vmcall_code[], tiny_vmcall_end[];

/* The code is shared by all vcpus: put it to TINY_VM_CODE, once */
int tiny_vm_load_script(struct tiny_vm *vm);
/* Start the script that lies at @gpa; in TINY_LONG or TINY_LONG_USER */
int tiny_vcpu_start_script(struct tiny_vcpu *cpu, __u32 gpa);
/* TINY_OP_VMMCALL or TINY_OP_VMCALL: what this processor knows */
enum tiny_op tiny_hypercall_op(void);

/*
 * One hypercall with registers of any value, in any mode: KVM_EXIT_IO (and
 * @ret is what it returned), another exit (KVM_EXIT_HYPERCALL, ...) or -errno.
 */
int tiny_vcpu_hypercall(struct tiny_vm *vm, struct tiny_vcpu *cpu, __u64 nr,
			__u64 a0, __u64 a1, __u64 *ret, int timeout_ms);

#endif /* TINY_VM_H */
