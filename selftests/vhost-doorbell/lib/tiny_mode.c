// SPDX-License-Identifier: GPL-2.0
/*
 * Modes of a tiny VM's vcpu other than real mode; see tiny_vm.h.
 *
 * There are no descriptor tables: KVM loads the segment registers' hidden parts
 * as they are given, and no guest here ever reloads one or takes an interrupt.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <sys/ioctl.h>

#include "tiny_vm.h"

#define CR0_PE		(1ULL << 0)
#define CR0_ET		(1ULL << 4)
#define CR0_NE		(1ULL << 5)
#define CR0_PG		(1ULL << 31)
#define CR4_PAE		(1ULL << 5)
#define EFER_LME	(1ULL << 8)
#define EFER_LMA	(1ULL << 10)

#define PTE_PRESENT	(1ULL << 0)
#define PTE_WRITE	(1ULL << 1)
#define PTE_USER	(1ULL << 2)
#define PTE_LARGE	(1ULL << 7)
#define PTE_TABLE	(PTE_PRESENT | PTE_WRITE | PTE_USER)
#define PTE_PAGE	(PTE_TABLE | PTE_LARGE)

#define TABLE_SIZE	0x1000
#define TABLE_ENTRIES	512
#define GIBS		5
#define LARGE_PAGE	0x200000ULL	/* by an entry of a page directory */

#define CODE_SELECTOR	0x08
#define DATA_SELECTOR	0x10
#define TYPE_DATA	3	/* read, write, accessed */
#define TYPE_CODE	11	/* execute, read, accessed */
#define TYPE_BUSY_TSS	11

#ifdef __x86_64__
/* Level 4, level 3 and a directory of 2 MiB pages for each GiB */
static int make_tables(struct tiny_vm *vm)
{
	__u64 *tables = tiny_vm_ptr(vm, TINY_VM_PAGING,
				    (2 + GIBS) * TABLE_SIZE);
	__u64 *level3, *directory;
	unsigned int gib, i;

	if (!tables)
		return -EINVAL;
	level3 = tables + TABLE_ENTRIES;
	tables[0] = (TINY_VM_PAGING + TABLE_SIZE) | PTE_TABLE;
	for (gib = 0; gib < GIBS; gib++) {
		directory = level3 + (1 + gib) * TABLE_ENTRIES;
		level3[gib] = (TINY_VM_PAGING + (2 + gib) * TABLE_SIZE) |
			      PTE_TABLE;
		for (i = 0; i < TABLE_ENTRIES; i++)
			directory[i] = (gib * TABLE_ENTRIES + i) * LARGE_PAGE |
				       PTE_PAGE;
	}
	return 0;
}

int tiny_vcpu_set_mode(struct tiny_vm *vm, struct tiny_vcpu *cpu,
		       enum tiny_mode mode)
{
	unsigned int cpl = mode == TINY_LONG_USER ? 3 : 0;
	struct kvm_segment data = {
		.limit = 0xffffffff,
		.selector = DATA_SELECTOR | cpl,
		.type = TYPE_DATA,
		.present = 1,
		.dpl = cpl,
		.db = 1,
		.s = 1,
		.g = 1,
	};
	struct kvm_sregs sregs;
	int ret;

	ret = make_tables(vm);
	if (ret)
		return ret;
	if (ioctl(cpu->fd, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.ss = data;
	sregs.cs = data;
	sregs.cs.selector = CODE_SELECTOR | cpl;
	sregs.cs.type = TYPE_CODE;
	sregs.cs.l = mode != TINY_COMPAT;
	sregs.cs.db = mode == TINY_COMPAT;
	sregs.tr.type = TYPE_BUSY_TSS;	/* vmx wants it so */
	sregs.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG;
	sregs.cr3 = TINY_VM_PAGING;
	sregs.cr4 |= CR4_PAE;
	sregs.efer |= EFER_LME | EFER_LMA;
	if (ioctl(cpu->fd, KVM_SET_SREGS, &sregs))
		return -errno;
	return 0;
}
#else
int tiny_vcpu_set_mode(struct tiny_vm *vm, struct tiny_vcpu *cpu,
		       enum tiny_mode mode)
{
	return -EOPNOTSUPP;
}
#endif /* __x86_64__ */
