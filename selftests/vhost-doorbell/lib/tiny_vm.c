// SPDX-License-Identifier: GPL-2.0
/*
 * A minimal VMM over /dev/kvm; see tiny_vm.h.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tiny_asm.h"
#include "tiny_vm.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#endif

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id	_sigev_un._tid
#endif

/* Vmx wants three pages and one more page of guest physical space to itself */
#define VMX_TSS			0xfffbd000UL
#define VMX_IDENTITY_MAP	0xfffbc000ULL

static int sys(int ret)
{
	return ret < 0 ? -errno : ret;
}

int tiny_vm_cap(int cap)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int ret;

	if (kvm < 0)
		return -errno;
	ret = sys(ioctl(kvm, KVM_CHECK_EXTENSION, cap));
	close(kvm);
	return ret;
}

const char *tiny_vm_lacks(void)
{
	static const struct {
		int cap;
		const char *why;
	} needs[] = {
		{ KVM_CAP_USER_MEMORY,	  "KVM lacks KVM_CAP_USER_MEMORY" },
		{ KVM_CAP_IRQCHIP,	  "KVM lacks KVM_CAP_IRQCHIP" },
		{ KVM_CAP_IRQFD,	  "KVM lacks KVM_CAP_IRQFD" },
		{ KVM_CAP_IMMEDIATE_EXIT, "KVM lacks KVM_CAP_IMMEDIATE_EXIT" },
	};
	static char text[64];
	const char *why = NULL;
	unsigned int i;
	int kvm;

#ifndef __x86_64__
	return "the guest's code is for x86";
#endif
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0) {
		snprintf(text, sizeof(text), "/dev/kvm: %s", strerror(errno));
		return text;
	}
	if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		why = "/dev/kvm has another API version";
	for (i = 0; !why && i < ARRAY_SIZE(needs); i++)
		if (ioctl(kvm, KVM_CHECK_EXTENSION, needs[i].cap) <= 0)
			why = needs[i].why;
	close(kvm);
	return why;
}

const char *tiny_vm_missing(void)
{
	const char *why = tiny_vm_lacks();

	if (!why && tiny_vm_cap(KVM_CAP_IOEVENTFD) <= 0)
		why = "this kernel's KVM has no ioeventfd (KVM_CAP_IOEVENTFD)";
	return why;
}

void *tiny_vm_ptr(const struct tiny_vm *vm, __u64 gpa, size_t len)
{
	if (gpa > vm->mem_size || len > vm->mem_size - gpa)
		return NULL;
	return (char *)vm->mem + gpa;
}

int tiny_vm_add_memory(struct tiny_vm *vm, __u64 gpa, size_t size, void *hva)
{
	struct kvm_userspace_memory_region region = {
		.slot = vm->slots,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};
	int ret = sys(ioctl(vm->vm, KVM_SET_USER_MEMORY_REGION, &region));

	if (!ret)
		vm->slots++;
	return ret;
}

#ifdef __x86_64__
/* What the guest finds by CPUID: all that KVM can do. It allows long mode. */
static int cpu_set_cpuid(struct tiny_vm *vm, struct tiny_vcpu *cpu)
{
	const unsigned int max = 256;
	struct kvm_cpuid2 *cpuid;
	int ret;

	cpuid = calloc(1, sizeof(*cpuid) + max * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return -ENOMEM;
	cpuid->nent = max;
	ret = sys(ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid));
	if (!ret)
		ret = sys(ioctl(cpu->fd, KVM_SET_CPUID2, cpuid));
	free(cpuid);
	return ret;
}

static int cpu_init(struct tiny_vm *vm, struct tiny_vcpu *cpu)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_segment flat = {
		.limit = 0xffffffff,
		.type = 3,		/* read, write, accessed */
		.present = 1,
		.s = 1,
		.g = 1,
	};
	struct kvm_sregs sregs;
	int ret;

	ret = cpu_set_cpuid(vm, cpu);
	if (ret)
		return ret;
	/* All but the first would wait for their INIT and SIPI */
	ret = sys(ioctl(cpu->fd, KVM_SET_MP_STATE, &state));
	if (ret)
		return ret;
	ret = sys(ioctl(cpu->fd, KVM_GET_SREGS, &sregs));
	if (ret)
		return ret;
	/* Limits outlast interrupts and iret: they reload a selector only */
	sregs.ds = flat;
	sregs.es = flat;
	sregs.fs = flat;
	sregs.gs = flat;
	sregs.ss = flat;
	sregs.cs = flat;
	sregs.cs.type = 11;		/* execute, read, accessed */
	sregs.idt.base = TINY_VM_IVT;
	sregs.idt.limit = 256 * 4 - 1;
	return sys(ioctl(cpu->fd, KVM_SET_SREGS, &sregs));
}

int tiny_vcpu_start_at(struct tiny_vcpu *cpu, __u32 gpa)
{
	struct kvm_regs regs = {
		.rip = gpa,
		.rsp = TINY_VM_STACK,
		.rflags = 2,		/* the bit that is always set; IF is off */
	};

	return sys(ioctl(cpu->fd, KVM_SET_REGS, &regs));
}

int tiny_vcpu_ip(const struct tiny_vcpu *cpu, __u64 *ip)
{
	struct kvm_regs regs;
	int ret = sys(ioctl(cpu->fd, KVM_GET_REGS, &regs));

	if (!ret)
		*ip = regs.rip;
	return ret;
}

int tiny_vm_set_vector(struct tiny_vm *vm, unsigned int vector, __u32 gpa)
{
	__u16 entry[2] = { gpa, 0 };	/* offset, segment */

	if (vector > 255 || gpa > 0xffff)
		return -EINVAL;
	memcpy((char *)vm->mem + TINY_VM_IVT + vector * 4, entry,
	       sizeof(entry));
	return 0;
}
#else
static int cpu_init(struct tiny_vm *vm, struct tiny_vcpu *cpu)
{
	return -EOPNOTSUPP;
}

int tiny_vcpu_start_at(struct tiny_vcpu *cpu, __u32 gpa)
{
	return -EOPNOTSUPP;
}

int tiny_vcpu_ip(const struct tiny_vcpu *cpu, __u64 *ip)
{
	return -EOPNOTSUPP;
}

int tiny_vm_set_vector(struct tiny_vm *vm, unsigned int vector, __u32 gpa)
{
	return -EOPNOTSUPP;
}
#endif /* __x86_64__ */

int tiny_vm_load(struct tiny_vm *vm, const void *code, size_t len)
{
	if (len > TINY_VM_STACK - TINY_VM_CODE - 0x2000)
		return -E2BIG;
	memcpy((char *)vm->mem + TINY_VM_CODE, code, len);
	return tiny_vcpu_start_at(&vm->cpu[0], TINY_VM_CODE);
}

/* The order is KVM's: memory and interrupt controllers before the vcpu */
static int vm_init(struct tiny_vm *vm)
{
	__u64 identity_map = VMX_IDENTITY_MAP;
	int ret;

	vm->kvm = sys(open("/dev/kvm", O_RDWR | O_CLOEXEC));
	if (vm->kvm < 0)
		return vm->kvm;
	vm->vm = sys(ioctl(vm->kvm, KVM_CREATE_VM, 0));
	if (vm->vm < 0)
		return vm->vm;
	ret = sys(ioctl(vm->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map));
	if (ret)
		return ret;
	ret = sys(ioctl(vm->vm, KVM_SET_TSS_ADDR, VMX_TSS));
	if (ret < 0)
		return ret;
	ret = sys(ioctl(vm->vm, KVM_CREATE_IRQCHIP, 0));
	if (ret)
		return ret;

	vm->mem_fd = sys(memfd_create("tiny-vm", MFD_CLOEXEC));
	if (vm->mem_fd < 0)
		return vm->mem_fd;
	ret = sys(ftruncate(vm->mem_fd, vm->mem_size));
	if (ret)
		return ret;
	vm->mem = mmap(NULL, vm->mem_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       vm->mem_fd, 0);
	if (vm->mem == MAP_FAILED)
		return -errno;
	ret = tiny_vm_add_memory(vm, 0, vm->mem_size, vm->mem);
	if (ret)
		return ret;

	ret = tiny_vm_add_vcpu(vm);
	return ret < 0 ? ret : 0;
}

int tiny_vm_add_vcpu(struct tiny_vm *vm)
{
	struct tiny_vcpu *cpu = &vm->cpu[vm->cpus];
	int ret;

	if (vm->cpus == TINY_VM_CPUS)
		return -ENOSPC;
	memset(cpu, 0, sizeof(*cpu));
	cpu->run = MAP_FAILED;
	cpu->fd = sys(ioctl(vm->vm, KVM_CREATE_VCPU, vm->cpus));
	if (cpu->fd < 0)
		return cpu->fd;
	/* From here on tiny_vm_destroy() knows of it */
	vm->cpus++;
	ret = sys(ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0));
	if (ret < 0)
		return ret;
	cpu->run_size = ret;
	cpu->run = mmap(NULL, cpu->run_size, PROT_READ | PROT_WRITE,
			MAP_SHARED, cpu->fd, 0);
	if (cpu->run == MAP_FAILED)
		return -errno;
	ret = cpu_init(vm, cpu);
	return ret ? ret : (int)vm->cpus - 1;
}

int tiny_vm_create(struct tiny_vm *vm, size_t mem_size)
{
	int ret;

	memset(vm, 0, sizeof(*vm));
	vm->kvm = -1;
	vm->vm = -1;
	vm->mem_fd = -1;
	vm->mem = MAP_FAILED;
	vm->mem_size = mem_size;
	if (mem_size < TINY_VM_FREE)
		return -EINVAL;

	ret = vm_init(vm);
	if (ret)
		tiny_vm_destroy(vm);
	return ret;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void vcpu_destroy(struct tiny_vcpu *cpu)
{
	if (cpu->timer_thread)
		timer_delete(cpu->timer);
	cpu->timer_thread = 0;
	if (cpu->run != MAP_FAILED)
		munmap(cpu->run, cpu->run_size);
	cpu->run = MAP_FAILED;
	close_fd(&cpu->fd);
}

void tiny_vm_destroy(struct tiny_vm *vm)
{
	while (vm->cpus)
		vcpu_destroy(&vm->cpu[--vm->cpus]);
	close_fd(&vm->vm);
	close_fd(&vm->kvm);
	if (vm->mem != MAP_FAILED)
		munmap(vm->mem, vm->mem_size);
	vm->mem = MAP_FAILED;
	close_fd(&vm->mem_fd);
}

int tiny_vm_ioeventfd(struct tiny_vm *vm, int eventfd, __u64 addr,
		      unsigned int len, unsigned int flags, __u64 datamatch)
{
	struct kvm_ioeventfd args = {
		.datamatch = datamatch,
		.addr = addr,
		.len = len,
		.fd = eventfd,
		.flags = flags,
	};

	return sys(ioctl(vm->vm, KVM_IOEVENTFD, &args));
}

int tiny_vm_irqfd(struct tiny_vm *vm, int eventfd, unsigned int gsi,
		  unsigned int flags)
{
	struct kvm_irqfd args = {
		.fd = eventfd,
		.gsi = gsi,
		.flags = flags,
	};

	return sys(ioctl(vm->vm, KVM_IRQFD, &args));
}

/*
 * immediate_exit closes the gap in which the signal arrives just before
 * KVM_RUN would have seen it.
 */
static void timer_signal(int sig, siginfo_t *info, void *context)
{
	struct tiny_vcpu *cpu = info->si_value.sival_ptr;

	(void)sig;
	(void)context;
	__atomic_store_n(&cpu->timed_out, 1, __ATOMIC_RELAXED);
	cpu->run->immediate_exit = 1;
}

static int timer_arm(struct tiny_vcpu *cpu, int timeout_ms)
{
	struct itimerspec when = {
		.it_value.tv_sec = timeout_ms / 1000,
		.it_value.tv_nsec = timeout_ms % 1000 * 1000000L,
	};
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = SIGRTMIN,
		.sigev_value.sival_ptr = cpu,
	};
	struct sigaction action = {
		.sa_sigaction = timer_signal,
		.sa_flags = SA_SIGINFO,
	};
	pid_t self = syscall(SYS_gettid);

	if (cpu->timer_thread != self) {
		if (cpu->timer_thread)
			timer_delete(cpu->timer);
		cpu->timer_thread = 0;
		event.sigev_notify_thread_id = self;
		if (sigaction(SIGRTMIN, &action, NULL) ||
		    timer_create(CLOCK_MONOTONIC, &event, &cpu->timer))
			return -errno;
		cpu->timer_thread = self;
	}
	return sys(timer_settime(cpu->timer, 0, &when, NULL));
}

static int run_once(struct tiny_vcpu *cpu)
{
	unsigned int reason;
	int ret = sys(ioctl(cpu->fd, KVM_RUN, 0));

	if (ret && ret != -EINTR)
		return ret;
	reason = ret ? KVM_EXIT_INTR : cpu->run->exit_reason;
	cpu->runs++;
	cpu->exits[reason < TINY_VM_EXITS ? reason : TINY_VM_EXITS - 1]++;
	return reason;
}

int tiny_vcpu_run(struct tiny_vcpu *cpu, int timeout_ms)
{
	int ret;

	__atomic_store_n(&cpu->timed_out, 0, __ATOMIC_RELAXED);
	cpu->run->immediate_exit = 0;
	ret = timer_arm(cpu, timeout_ms);
	if (ret)
		return ret;
	do {
		ret = run_once(cpu);
	} while (ret == KVM_EXIT_INTR &&
		 !__atomic_load_n(&cpu->timed_out, __ATOMIC_RELAXED));
	if (ret == KVM_EXIT_INTR)
		return -ETIMEDOUT;
	timer_arm(cpu, 0);
	return ret;
}

int tiny_vcpu_access(const struct tiny_vcpu *cpu,
		     struct tiny_vm_access *access)
{
	const struct kvm_run *run = cpu->run;
	const void *value;

	memset(access, 0, sizeof(*access));
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		access->pio = true;
		access->write = run->io.direction == KVM_EXIT_IO_OUT;
		access->addr = run->io.port;
		access->len = run->io.size;
		value = (const char *)run + run->io.data_offset;
		break;
	case KVM_EXIT_MMIO:
		access->write = run->mmio.is_write;
		access->addr = run->mmio.phys_addr;
		access->len = run->mmio.len;
		value = run->mmio.data;
		break;
	default:
		return -ENOENT;
	}
	if (access->write && access->len <= sizeof(access->value))
		memcpy(&access->value, value, access->len);
	return 0;
}

#ifdef KVM_GET_STATS_FD
/* Find @name among the descriptors of a stats file: its value's offset */
static long stat_offset(int fd, const struct kvm_stats_header *header,
			const char *name)
{
	size_t size = sizeof(struct kvm_stats_desc) + header->name_size;
	struct kvm_stats_desc *desc = calloc(1, size + 1);
	long ret = -ENOENT;
	unsigned int i;

	if (!desc)
		return -ENOMEM;
	for (i = 0; i < header->num_desc; i++) {
		if (pread(fd, desc, size, header->desc_offset + i * size) !=
		    (ssize_t)size) {
			ret = -EIO;
			break;
		}
		if (!strcmp(desc->name, name)) {
			ret = header->data_offset + desc->offset;
			break;
		}
	}
	free(desc);
	return ret;
}

int tiny_vcpu_kvm_stat(const struct tiny_vcpu *cpu, const char *name,
		       __u64 *value)
{
	struct kvm_stats_header header;
	int fd = ioctl(cpu->fd, KVM_GET_STATS_FD, 0);
	long ret;

	if (fd < 0)
		return -EOPNOTSUPP;
	if (pread(fd, &header, sizeof(header), 0) == sizeof(header))
		ret = stat_offset(fd, &header, name);
	else
		ret = -EIO;
	if (ret >= 0)
		ret = pread(fd, value, sizeof(*value), ret) == sizeof(*value) ?
		      0 : -EIO;
	close(fd);
	return ret;
}
#else
int tiny_vcpu_kvm_stat(const struct tiny_vcpu *cpu, const char *name,
		       __u64 *value)
{
	return -EOPNOTSUPP;
}
#endif

/* ---- the driver ---- */

#ifdef __x86_64__
/* struct offsets, see SAME() */
#define A_LOOPS		0
#define A_QUEUE_MASK	4
#define A_MMIO		8
#define A_DOORBELL	12
#define A_COMPLETED	16
#define A_Q		64
#define Q_AVAIL_IDX	0
#define Q_DRIVER	4
#define Q_USED_EVENT	8
#define Q_DEVICE	12
#define Q_STATUS	16
#define Q_STATUS_MASK	20
#define Q_VALUE		24
#define Q_IRQS		28
#define Q_IRQS_SEEN	32
#define Q_EARLY		36
#define Q_BAD		40
#define Q_SHIFT		6

SAME(struct tiny_driver, loops, A_LOOPS);
SAME(struct tiny_driver, queue_mask, A_QUEUE_MASK);
SAME(struct tiny_driver, mmio, A_MMIO);
SAME(struct tiny_driver, doorbell, A_DOORBELL);
SAME(struct tiny_driver, completed, A_COMPLETED);
SAME(struct tiny_driver, q, A_Q);
SAME(struct tiny_driver_queue, avail_idx, Q_AVAIL_IDX);
SAME(struct tiny_driver_queue, driver, Q_DRIVER);
SAME(struct tiny_driver_queue, used_event, Q_USED_EVENT);
SAME(struct tiny_driver_queue, device, Q_DEVICE);
SAME(struct tiny_driver_queue, status, Q_STATUS);
SAME(struct tiny_driver_queue, status_mask, Q_STATUS_MASK);
SAME(struct tiny_driver_queue, value, Q_VALUE);
SAME(struct tiny_driver_queue, irqs, Q_IRQS);
SAME(struct tiny_driver_queue, irqs_seen, Q_IRQS_SEEN);
SAME(struct tiny_driver_queue, early, Q_EARLY);
SAME(struct tiny_driver_queue, bad, Q_BAD);
static_assert(sizeof(struct tiny_driver_queue) == 1 << Q_SHIFT, "q");

/*
 * Jumps are relative and data is reached from TINY_VM_ARGS, so that the code
 * runs where it is copied to.
 *
 * ebp: arguments, ebx: queue, edi: requests so far, ecx: avail index.
 */
asm("	.pushsection .rodata, \"a\"\n"
"	.code16\n"
"	.globl tiny_driver_code, tiny_driver_irq0, tiny_driver_irq1, tiny_driver_end\n"
"tiny_driver_code:\n"
	/* 8259: vectors from TINY_VM_PIC_BASE, all lines masked but 5 and 6 */
"	movb	$0x11, %al\n"
"	outb	%al, $0x20\n"
"	movb	$" STR(TINY_VM_PIC_BASE) ", %al\n"
"	outb	%al, $0x21\n"
"	movb	$0x04, %al\n"
"	outb	%al, $0x21\n"
"	movb	$0x01, %al\n"
"	outb	%al, $0x21\n"
"	movb	$0x9f, %al\n"
"	outb	%al, $0x21\n"

"	movl	$" STR(TINY_VM_ARGS) ", %ebp\n"
"	xorl	%edi, %edi\n"
".Ltiny_next:\n"
"	movl	%edi, " STR(A_COMPLETED) "(%ebp)\n"
"	cmpl	" STR(A_LOOPS) "(%ebp), %edi\n"
"	je	.Ltiny_done\n"
"	movl	%edi, %ebx\n"
"	andl	" STR(A_QUEUE_MASK) "(%ebp), %ebx\n"
"	shll	$" STR(Q_SHIFT) ", %ebx\n"
"	leal	" STR(A_Q) "(%ebp, %ebx), %ebx\n"
	/* Interrupt for this one, please; without EVENT_IDX nobody looks */
"	movl	" STR(Q_AVAIL_IDX) "(%ebx), %ecx\n"
"	movl	" STR(Q_USED_EVENT) "(%ebx), %esi\n"
"	movw	%cx, (%esi)\n"
	/* Publish; x86 keeps the order of the stores and of the doorbell */
"	incl	%ecx\n"
"	movl	%ecx, " STR(Q_AVAIL_IDX) "(%ebx)\n"
"	movl	" STR(Q_DRIVER) "(%ebx), %esi\n"
"	movw	%cx, 2(%esi)\n"
	/* Ring */
"	movl	" STR(Q_VALUE) "(%ebx), %eax\n"
"	movl	" STR(A_DOORBELL) "(%ebp), %edx\n"
"	cmpl	$0, " STR(A_MMIO) "(%ebp)\n"
"	jne	1f\n"
"	outw	%ax, %dx\n"
"	jmp	.Ltiny_wait\n"
"1:	movw	%ax, (%edx)\n"
	/*
	 * Sleep until the handler has counted one more. sti opens interrupts
	 * behind the instruction that follows it, so none slips in between the
	 * look and the hlt.
	 */
".Ltiny_wait:\n"
"	cli\n"
"	movl	" STR(Q_IRQS_SEEN) "(%ebx), %eax\n"
"	cmpl	" STR(Q_IRQS) "(%ebx), %eax\n"
"	jne	2f\n"
"	sti\n"
"	hlt\n"
"	jmp	.Ltiny_wait\n"
"2:	sti\n"
"	incl	" STR(Q_IRQS_SEEN) "(%ebx)\n"
"	movl	" STR(Q_DEVICE) "(%ebx), %esi\n"
"	cmpw	%cx, 2(%esi)\n"
"	je	3f\n"
"	incl	" STR(Q_EARLY) "(%ebx)\n"
"	jmp	.Ltiny_wait\n"
	/* Status of the chain, then 0xff there for its next turn */
"3:	leal	-1(%ecx), %eax\n"
"	andl	" STR(Q_STATUS_MASK) "(%ebx), %eax\n"
"	movl	" STR(Q_STATUS) "(%ebx), %esi\n"
"	cmpb	$0, (%esi, %eax)\n"
"	je	4f\n"
"	incl	" STR(Q_BAD) "(%ebx)\n"
"4:	movb	$0xff, (%esi, %eax)\n"
"	incl	%edi\n"
"	jmp	.Ltiny_next\n"

".Ltiny_done:\n"
"	cli\n"
"	outb	%al, $" STR(TINY_DRIVER_DONE) "\n"
"	hlt\n"
"	jmp	.Ltiny_done\n"

"tiny_driver_irq0:\n"
"	incl	(" STR(TINY_VM_ARGS) " + " STR(A_Q) " + " STR(Q_IRQS) ")\n"
"	jmp	.Ltiny_eoi\n"
"tiny_driver_irq1:\n"
"	incl	(" STR(TINY_VM_ARGS) " + " STR(A_Q) " + (1 << " STR(Q_SHIFT)
	") + " STR(Q_IRQS) ")\n"
".Ltiny_eoi:\n"
"	pushl	%eax\n"
"	movb	$0x20, %al\n"
"	outb	%al, $0x20\n"
"	popl	%eax\n"
"	iret\n"
"tiny_driver_end:\n"
"	.code64\n"
"	.popsection\n");

int tiny_vm_load_driver(struct tiny_vm *vm)
{
	const char *irq[TINY_DRIVER_QUEUES] = {
		tiny_driver_irq0, tiny_driver_irq1,
	};
	unsigned int q;
	int ret;

	ret = tiny_vm_load(vm, tiny_driver_code,
			   tiny_driver_end - tiny_driver_code);
	for (q = 0; !ret && q < TINY_DRIVER_QUEUES; q++)
		ret = tiny_vm_set_vector(vm, TINY_VM_PIC_BASE + TINY_VM_GSI0 + q,
					 TINY_VM_CODE +
					 (irq[q] - tiny_driver_code));
	return ret;
}
#else
int tiny_vm_load_driver(struct tiny_vm *vm)
{
	return -EOPNOTSUPP;
}
#endif /* __x86_64__ */
