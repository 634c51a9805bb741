/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device's half of a split ring as Linux has it: vringh.c of a kernel's
 * source, behind a contract of plain types. Rings of kernel memory, so that
 * addresses stay as they are in the ring. Either side's headers have u32 and
 * u64.
 */
#ifndef VHDB_STOCK_VRINGH_H
#define VHDB_STOCK_VRINGH_H

struct stock_vringh;

struct stock_vringh *stock_vringh_new(u32 num, u64 features,
				      void *desc, void *driver, void *device);
void stock_vringh_free(struct stock_vringh *v);
/*
 * Takes up to @batch buffers, gives them back, and decides once whether the
 * driver is to be signalled. Their number.
 */
u32 stock_vringh_serve(struct stock_vringh *v, u32 batch);
/* The pieces of the buffer that was taken last: 0 or -1 after the last. */
int stock_vringh_piece(struct stock_vringh *v, u32 i, u64 *addr,
		       u32 *len);

#endif /* VHDB_STOCK_VRINGH_H */
