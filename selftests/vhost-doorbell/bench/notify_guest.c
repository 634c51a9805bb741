// SPDX-License-Identifier: GPL-2.0
/*
 * See notify_guest.h.
 */
#include <errno.h>

#include "../lib/tiny_asm.h"
#include "notify_guest.h"

#ifdef __x86_64__
/* struct offsets, see SAME() */
#define A_ENTRY		0
#define A_SAMPLES	4
#define A_SAMPLES_END	8
#define A_DOORBELL	12
#define A_HC_NR		16
#define A_HC_A1		20
#define A_HC_A2		24
#define A_HC_RET	28
#define A_AVAIL_IDX	32
#define A_DRIVER	36
#define A_IRQS		40
#define A_IRQS_SEEN	44
#define A_TSC_FIRST	48
#define A_TSC_LAST	56

SAME(struct notify_args, entry, A_ENTRY);
SAME(struct notify_args, samples, A_SAMPLES);
SAME(struct notify_args, samples_end, A_SAMPLES_END);
SAME(struct notify_args, doorbell, A_DOORBELL);
SAME(struct notify_args, hc_nr, A_HC_NR);
SAME(struct notify_args, hc_a1, A_HC_A1);
SAME(struct notify_args, hc_a2, A_HC_A2);
SAME(struct notify_args, hc_ret, A_HC_RET);
SAME(struct notify_args, avail_idx, A_AVAIL_IDX);
SAME(struct notify_args, driver, A_DRIVER);
SAME(struct notify_args, irqs, A_IRQS);
SAME(struct notify_args, irqs_seen, A_IRQS_SEEN);
SAME(struct notify_args, tsc_first, A_TSC_FIRST);
SAME(struct notify_args, tsc_last, A_TSC_LAST);

#define ARG(x)		STR(x) "(%ebp)"

/* Registers of the local APIC: spurious vector (with the enable bit), EOI */
#define APIC_SVR	0xfee000f0
#define APIC_EOI	0xfee000b0

/*
 * ebp: arguments, ebx: doorbell, esi: counter before the ring, edi: where the
 * next sample goes. rdtsc takes eax and edx, so the rings set these themselves.
 */
#define RING_NOTHING	""
#define RING_CPUID							\
"	xorl	%eax, %eax\n"						\
"	cpuid\n"
#define RING_PIO							\
"	movl	%ebx, %edx\n"						\
"	outw	%ax, %dx\n"
#define RING_MMIO							\
"	movw	%ax, (%ebx)\n"
#define RING_HC(instruction)						\
"	movl	" ARG(A_HC_NR) ", %eax\n"				\
"	movl	" ARG(A_HC_A1) ", %ecx\n"				\
"	movl	" ARG(A_HC_A2) ", %edx\n"				\
"	" instruction "\n"						\
"	movl	%eax, " ARG(A_HC_RET) "\n"

/* Make the request available; x86 keeps the order of this and of the ring */
#define PUBLISH								\
"	movl	" ARG(A_AVAIL_IDX) ", %ecx\n"				\
"	incl	%ecx\n"							\
"	movl	%ecx, " ARG(A_AVAIL_IDX) "\n"				\
"	movl	" ARG(A_DRIVER) ", %eax\n"				\
"	movw	%cx, 2(%eax)\n"

/*
 * Sleep until the handler has counted one more. sti opens interrupts behind
 * the instruction that follows it, so none slips in between the look and the
 * hlt.
 */
#define WAIT								\
"2:	cli\n"								\
"	movl	" ARG(A_IRQS_SEEN) ", %eax\n"				\
"	cmpl	" ARG(A_IRQS) ", %eax\n"				\
"	jne	3f\n"							\
"	sti\n"								\
"	hlt\n"								\
"	jmp	2b\n"							\
"3:	sti\n"								\
"	incl	" ARG(A_IRQS_SEEN) "\n"

#define PROGRAM(name, ring)						\
".Lnotify_" name ":\n"							\
"1:	movl	" ARG(A_DOORBELL) ", %ebx\n"				\
"	rdtsc\n"							\
"	movl	%eax, %esi\n"						\
	ring								\
"	rdtsc\n"							\
"	subl	%esi, %eax\n"						\
"	movl	%eax, (%edi)\n"						\
"	addl	$4, %edi\n"						\
"	cmpl	" ARG(A_SAMPLES_END) ", %edi\n"				\
"	jne	1b\n"							\
"	jmp	.Lnotify_done\n"

#define OFFSET(name)	"	.long	.Lnotify_" name " - notify_code\n"

/* Jumps are relative: the code runs where it is copied to */
asm("	.pushsection .rodata, \"a\"\n"
"	.code16\n"
"notify_code:\n"
	/* Interrupts are ours from here on: an enabled local APIC */
"	movl	$" STR(APIC_SVR) ", %eax\n"
"	movl	$0x1ff, (%eax)\n"
"	movl	$" STR(TINY_VM_ARGS) ", %ebp\n"
"	movl	" ARG(A_SAMPLES) ", %edi\n"
"	rdtsc\n"
"	movl	%eax, " ARG(A_TSC_FIRST) "\n"
"	movl	%edx, 4+" ARG(A_TSC_FIRST) "\n"
"	jmpw	*" ARG(A_ENTRY) "\n"

".Lnotify_done:\n"
"	rdtsc\n"
"	movl	%eax, " ARG(A_TSC_LAST) "\n"
"	movl	%edx, 4+" ARG(A_TSC_LAST) "\n"
"	cli\n"
"4:	outb	%al, $" STR(NOTIFY_DONE) "\n"
"	hlt\n"
"	jmp	4b\n"

"notify_irq:\n"
"	incl	(" STR(TINY_VM_ARGS) " + " STR(A_IRQS) ")\n"
"	pushl	%eax\n"
"	movl	$" STR(APIC_EOI) ", %eax\n"
"	movl	$0, (%eax)\n"
"	popl	%eax\n"
"	iret\n"

PROGRAM("nothing",	RING_NOTHING)
PROGRAM("cpuid",	RING_CPUID)
PROGRAM("pio",		RING_PIO)
PROGRAM("mmio",		RING_MMIO)
PROGRAM("vmcall",	RING_HC("vmcall"))
PROGRAM("vmmcall",	RING_HC("vmmcall"))
PROGRAM("pio_loop",	PUBLISH RING_PIO WAIT)
PROGRAM("mmio_loop",	PUBLISH RING_MMIO WAIT)
PROGRAM("vmcall_loop",	PUBLISH RING_HC("vmcall") WAIT)
PROGRAM("vmmcall_loop",	PUBLISH RING_HC("vmmcall") WAIT)
"notify_end:\n"

"	.balign	4\n"
	/* In the order of enum notify_program */
"notify_offsets:\n"
	OFFSET("nothing")
	OFFSET("cpuid")
	OFFSET("pio")
	OFFSET("mmio")
	OFFSET("vmcall")
	OFFSET("vmmcall")
	OFFSET("pio_loop")
	OFFSET("mmio_loop")
	OFFSET("vmcall_loop")
	OFFSET("vmmcall_loop")
"	.code64\n"
"	.popsection\n");

int notify_guest_load(struct tiny_vm *vm, enum notify_program program)
{
	struct notify_args *args = tiny_vm_ptr(vm, TINY_VM_ARGS, sizeof(*args));
	int ret;

	if (!args || program >= NOTIFY_PROGRAMS)
		return -EINVAL;
	args->entry = TINY_VM_CODE + notify_offsets[program];
	ret = tiny_vm_load(vm, notify_code, notify_end - notify_code);
	if (ret)
		return ret;
	return tiny_vm_set_vector(vm, NOTIFY_VECTOR,
				  TINY_VM_CODE + (notify_irq - notify_code));
}
#else
int notify_guest_load(struct tiny_vm *vm, enum notify_program program)
{
	return -EOPNOTSUPP;
}
#endif /* __x86_64__ */
