/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Firmware that rings, and nothing else: for a QEMU with vhost-doorbell-testdev at
 * 00:04.0. It gives the device its addresses, rings RINGS times by memory and as
 * often by a port, and times each ring; the times go to port 0xe9, 32 bits each, the
 * end to port 0xf4.
 */
#define RINGS	1000
#define MMIO	0xe0000000
#define PORT	0xc000
#define TIMES	0x10000

	.macro	config reg, value
	movl	$0x80002000 + \reg, %eax
	movw	$0xcf8, %dx
	outl	%eax, %dx
	movl	$\value, %eax
	movw	$0xcfc, %dx
	outl	%eax, %dx
	.endm

	/* The time that the instruction between takes goes to (%edi) */
	.macro	before
	rdtsc
	movl	%eax, %ebp
	.endm

	.macro	after
	rdtsc
	subl	%ebp, %eax
	movl	%eax, (%edi)
	addl	$4, %edi
	.endm

	.code16
	.text
	.globl	start
start:
	cli
	/* Segments of 4 GiB, also in real mode */
	lgdtl	%cs:gdtr
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	movw	$8, %bx
	movw	%bx, %ds
	andb	$0xfe, %al
	movl	%eax, %cr0
	xorw	%bx, %bx
	movw	%bx, %ds

	config	0x10, MMIO
	config	0x14, PORT
	config	0x04, 3

	movl	$TIMES, %edi
	movl	$MMIO, %esi
	movl	$RINGS, %ecx
1:	before
	movl	%eax, (%esi)
	after
	decl	%ecx
	jnz	1b

	movw	$PORT, %bx
	movl	$RINGS, %ecx
2:	before
	movw	%bx, %dx
	outl	%eax, %dx
	after
	decl	%ecx
	jnz	2b

	movl	$TIMES, %esi
	movl	$RINGS * 2 * 4, %ecx
	movw	$0xe9, %dx
	cld
	addr32 rep outsb
	movb	$0, %al
	outb	%al, $0xf4
3:	hlt
	jmp	3b

	/* "Accessed" already: the processor cannot write to a ROM that it is. */
	.balign	8
gdt:	.quad	0, 0x00cf93000000ffff
gdtr:	.word	15
	.long	0xf0000 + gdt

	.org	0xfff0
	ljmp	$0xf000, $start
	.balign	16
