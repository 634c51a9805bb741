// SPDX-License-Identifier: GPL-2.0
/*
 * A guest that performs accesses out of a list; see tiny_vm.h.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tiny_asm.h"
#include "tiny_vm.h"

#ifdef __x86_64__
#include <cpuid.h>

/* struct offsets, see SAME() */
#define S_LOOPS		0
#define S_DONE		8
#define S_STOP		16
#define S_STEPS		20
#define S_STEP		24
#define STEP_OP		0
#define STEP_ADDR	8
#define STEP_VALUE	16
#define STEP_NR		24
#define STEP_RESULT	32
#define STEP_SIZE	40

SAME(struct tiny_script, loops, S_LOOPS);
SAME(struct tiny_script, done, S_DONE);
SAME(struct tiny_script, stop, S_STOP);
SAME(struct tiny_script, steps, S_STEPS);
SAME(struct tiny_script, step, S_STEP);
SAME(struct tiny_step, op, STEP_OP);
SAME(struct tiny_step, addr, STEP_ADDR);
SAME(struct tiny_step, value, STEP_VALUE);
SAME(struct tiny_step, nr, STEP_NR);
SAME(struct tiny_step, result, STEP_RESULT);
static_assert(sizeof(struct tiny_step) == STEP_SIZE, "step");

/* Bits 12 and 13: ports may be written by any CPL. Bit 1 is always set. */
#define RFLAGS_IOPL3	0x3002

/* Room for either: the script's code, then the single hypercall */
#define HYPERCALL_CODE	(TINY_VM_CODE + 0x1000)

/* Each operation has a slot of this size, in the order of enum tiny_op */
#define SLOT_SHIFT	5
#define OP(instructions, then)						\
"	.balign	1 << " STR(SLOT_SHIFT) "\n"				\
"	" instructions "\n"						\
"	jmp	" then "\n"

#define HYPERCALL(instruction)						\
	OP("movq %rdx, %rbx; movq %rax, %rcx; movq " STR(STEP_NR)	\
	   "(%rsi), %rax; " instruction, ".Lscript_result")

/*
 * Position-independent: jumps are relative, and so is the table of operations.
 *
 * rdi: script, rsi: step, r9d: steps left; rax: value, rdx: address of a step
 */
asm("	.pushsection .rodata, \"a\"\n"
"	.code64\n"
"	.globl tiny_script_code, tiny_script_end\n"
"	.globl tiny_vmmcall_code, tiny_vmcall_code, tiny_vmcall_end\n"
"	.balign	1 << " STR(SLOT_SHIFT) "\n"
"tiny_script_code:\n"
".Lscript_round:\n"
"	cmpl	$0, " STR(S_STOP) "(%rdi)\n"
"	jne	.Lscript_done\n"
"	movq	" STR(S_DONE) "(%rdi), %rax\n"
"	cmpq	" STR(S_LOOPS) "(%rdi), %rax\n"
"	jae	.Lscript_done\n"
"	leaq	" STR(S_STEP) "(%rdi), %rsi\n"
"	movl	" STR(S_STEPS) "(%rdi), %r9d\n"
".Lscript_step:\n"
"	movl	" STR(STEP_OP) "(%rsi), %ecx\n"
"	shll	$" STR(SLOT_SHIFT) ", %ecx\n"
"	leaq	.Lscript_ops(%rip), %r8\n"
"	addq	%rcx, %r8\n"
"	movq	" STR(STEP_ADDR) "(%rsi), %rdx\n"
"	movq	" STR(STEP_VALUE) "(%rsi), %rax\n"
"	jmp	*%r8\n"
"	.balign	1 << " STR(SLOT_SHIFT) "\n"
".Lscript_ops:\n"
	OP("outb %al, %dx", ".Lscript_next")
	OP("outw %ax, %dx", ".Lscript_next")
	OP("outl %eax, %dx", ".Lscript_next")
	OP("movb %al, (%rdx)", ".Lscript_next")
	OP("movw %ax, (%rdx)", ".Lscript_next")
	OP("movl %eax, (%rdx)", ".Lscript_next")
	OP("movq %rax, (%rdx)", ".Lscript_next")
	OP("inl %dx, %eax", ".Lscript_result")
	OP("movl (%rdx), %eax", ".Lscript_result")
	HYPERCALL("vmmcall")
	HYPERCALL("vmcall")
".Lscript_result:\n"
"	movq	%rax, " STR(STEP_RESULT) "(%rsi)\n"
".Lscript_next:\n"
"	addq	$" STR(STEP_SIZE) ", %rsi\n"
"	decl	%r9d\n"
"	jne	.Lscript_step\n"
"	incq	" STR(S_DONE) "(%rdi)\n"
"	jmp	.Lscript_round\n"
".Lscript_done:\n"
"	outb	%al, $" STR(TINY_DRIVER_DONE) "\n"
"	jmp	.Lscript_done\n"
"tiny_script_end:\n"

	/* The same bytes in each mode */
"tiny_vmmcall_code:\n"
"	vmmcall\n"
"	outb	%al, $" STR(TINY_DRIVER_DONE) "\n"
"tiny_vmcall_code:\n"
"	vmcall\n"
"	outb	%al, $" STR(TINY_DRIVER_DONE) "\n"
"tiny_vmcall_end:\n"
"	.popsection\n");

int tiny_vm_load_script(struct tiny_vm *vm)
{
	size_t len = tiny_script_end - tiny_script_code;

	if (len > HYPERCALL_CODE - TINY_VM_CODE)
		return -E2BIG;
	memcpy(tiny_vm_ptr(vm, TINY_VM_CODE, len), tiny_script_code, len);
	return 0;
}

int tiny_vcpu_start_script(struct tiny_vcpu *cpu, __u32 gpa)
{
	struct kvm_regs regs = {
		.rip = TINY_VM_CODE,
		.rdi = gpa,
		.rflags = RFLAGS_IOPL3,
	};

	return ioctl(cpu->fd, KVM_SET_REGS, &regs) ? -errno : 0;
}

enum tiny_op tiny_hypercall_op(void)
{
	unsigned int eax, ebx = 0, ecx, edx;

	/* "Auth"enticAMD, "Hygo"nGenuine; all others have Intel's */
	__get_cpuid(0, &eax, &ebx, &ecx, &edx);
	return ebx == 0x68747541 || ebx == 0x6f677948 ?
	       TINY_OP_VMMCALL : TINY_OP_VMCALL;
}

int tiny_vcpu_hypercall(struct tiny_vm *vm, struct tiny_vcpu *cpu, __u64 nr,
			__u64 a0, __u64 a1, __u64 *ret, int timeout_ms)
{
	bool amd = tiny_hypercall_op() == TINY_OP_VMMCALL;
	const char *code = amd ? tiny_vmmcall_code : tiny_vmcall_code;
	size_t len = amd ? tiny_vmcall_code - tiny_vmmcall_code :
			   tiny_vmcall_end - tiny_vmcall_code;
	struct kvm_regs regs = {
		.rip = HYPERCALL_CODE,
		.rax = nr,
		.rbx = a0,
		.rcx = a1,
		.rflags = RFLAGS_IOPL3,
	};
	int reason;

	memcpy(tiny_vm_ptr(vm, HYPERCALL_CODE, len), code, len);
	if (ioctl(cpu->fd, KVM_SET_REGS, &regs))
		return -errno;
	reason = tiny_vcpu_run(cpu, timeout_ms);
	if (reason < 0)
		return reason;
	if (ioctl(cpu->fd, KVM_GET_REGS, &regs))
		return -errno;
	*ret = regs.rax;
	return reason;
}
#else
int tiny_vm_load_script(struct tiny_vm *vm)
{
	return -EOPNOTSUPP;
}

int tiny_vcpu_start_script(struct tiny_vcpu *cpu, __u32 gpa)
{
	return -EOPNOTSUPP;
}

enum tiny_op tiny_hypercall_op(void)
{
	return TINY_OP_VMMCALL;
}

int tiny_vcpu_hypercall(struct tiny_vm *vm, struct tiny_vcpu *cpu, __u64 nr,
			__u64 a0, __u64 a1, __u64 *ret, int timeout_ms)
{
	return -EOPNOTSUPP;
}
#endif /* __x86_64__ */
