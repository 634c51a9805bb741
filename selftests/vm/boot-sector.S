/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A disk that the firmware boots, and that uses it: the firmware's own virtio
 * driver reads this sector, then the next one, and writes the one after it.
 * Everything is said on the first serial port. How it ended goes to QEMU's
 * isa-debug-exit at 0xf4, which makes 2 * value + 1 QEMU's exit status.
 *
 * Sector 0: this. Sector 1: a text, "vhost-doorbell sector 1 ...". Sector 2 is
 * written with a copy of that text in which the digit is 2.
 */
	.code16
	.text
	.globl start

#define SERIAL		0x3f8
#define DEBUG_EXIT	0xf4
#define DONE		0x10	/* QEMU: 33 */
#define FAILED		0x11	/* QEMU: 35 */
#define BUFFER		0x8000

start:
	ljmp	$0, $1f
1:	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	$0x7c00, %sp
	cld
	mov	%dl, drive

	mov	$hello, %si
	call	print

	/* sector 1 to BUFFER: extended read */
	mov	$0x4200, %ax
	call	disk
	jc	fail
	mov	$BUFFER, %si
	mov	$expected, %di
	mov	$(expected_end - expected), %cx
	repe cmpsb
	jne	fail
	mov	$BUFFER, %si
	call	print

	/* and, changed, to sector 2: extended write, not verified */
	movb	$'2', BUFFER + (digit - sector1)
	movb	$2, packet_lba
	mov	$0x4300, %ax
	call	disk
	jc	fail
	mov	$written, %si
	call	print

	mov	$DONE, %al
	jmp	exit

fail:
	/* %ah is the firmware's error */
	add	$'0', %ah
	mov	%ah, failed_code
	mov	$failed, %si
	call	print
	mov	$FAILED, %al
exit:
	out	%al, $DEBUG_EXIT
1:	hlt
	jmp	1b

/* int 13h with the packet; %ax says what, carry says that it failed */
disk:
	mov	$packet, %si
	mov	drive, %dl
	int	$0x13
	ret

/* the NUL-terminated text at %si */
print:
	mov	$(SERIAL + 5), %dx
1:	in	%dx, %al
	test	$0x20, %al
	jz	1b
	lodsb
	test	%al, %al
	jz	2f
	mov	$SERIAL, %dx
	out	%al, %dx
	jmp	print
2:	ret

drive:	.byte	0
packet:
	.byte	16, 0
	.word	1		/* sectors */
	.word	BUFFER, 0	/* offset, segment */
packet_lba:
	.quad	1

expected:	.ascii	"vhost-doorbell sector 1"
expected_end:
hello:		.asciz	"boot sector: running\r\n"
written:	.asciz	"boot sector: sector 2 written\r\n"
failed:		.ascii	"boot sector: failed, error "
failed_code:	.asciz	"?\r\n"

	.org	510
	.word	0xaa55

sector1:
	.ascii	"vhost-doorbell sector "
digit:	.ascii	"1"
	.asciz	": it went through the firmware's own virtio driver\r\n"
	.org	1024
