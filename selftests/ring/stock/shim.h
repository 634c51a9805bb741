/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Read before the kernel's own drivers/virtio/virtio_ring.c and
 * drivers/vhost/vringh.c when they are compiled in userspace: what the tree's
 * tools/virtio, which has the rest, lacks or has too weak.
 */
#ifndef VHDB_STOCK_SHIM_H
#define VHDB_STOCK_SHIM_H

/* An annotation for the kernel's race detector. */
#define data_race(expr)		(expr)

#define MODULE_DESCRIPTION(text)	extern int shim_no_text[sizeof(text)]

/* Otherwise addresses have 32 bits there. */
#define CONFIG_PHYS_ADDR_T_64BIT

#include <linux/kernel.h>

/* Whole pages, and empty ones: __GFP_ZERO is 0 there. */
static inline void *shim_pages(size_t size, gfp_t gfp)
{
	void *p = aligned_alloc(PAGE_SIZE, PAGE_ALIGN(size));

	if (p)
		memset(p, 0, PAGE_ALIGN(size));
	return p;
}

#define alloc_pages_exact(size, gfp)	shim_pages(size, gfp)

#endif /* VHDB_STOCK_SHIM_H */
