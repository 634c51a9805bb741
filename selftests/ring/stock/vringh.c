// SPDX-License-Identifier: GPL-2.0
#include <asm/barrier.h>

#ifdef __x86_64__
/* As the kernel's own, and the engine's in ../ring_shim.h. */
static inline void stock_mb(void)
{
	asm volatile("lock; addl $0,-4(%%rsp)" ::: "memory", "cc");
}

#undef virt_mb
#define virt_mb()	stock_mb()				/* all */
#endif

#include STOCK_VRINGH

#include "vringh.h"

/* Room for pieces, so that none is ever allocated. */
#define PIECES		64
#define BATCH_MAX	64

struct stock_vringh {
	struct vringh vrh;
	struct vringh_kiov riov;
	struct vringh_kiov wiov;
	struct kvec out[PIECES];
	struct kvec in[PIECES];
};

/* Defined by whoever links with the kernel's shims of userspace. */
void *__kmalloc_fake, *__kfree_ignore_start, *__kfree_ignore_end;

struct stock_vringh *stock_vringh_new(u32 num, u64 features,
				      void *desc, void *driver, void *device)
{
	struct stock_vringh *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	if (vringh_init_kern(&v->vrh, features, num, true, desc, driver, device)) {
		free(v);
		return NULL;
	}
	vringh_kiov_init(&v->riov, v->out, PIECES);
	vringh_kiov_init(&v->wiov, v->in, PIECES);
	return v;
}

void stock_vringh_free(struct stock_vringh *v)
{
	free(v);
}

u32 stock_vringh_serve(struct stock_vringh *v, u32 batch)
{
	u16 heads[BATCH_MAX];
	u32 n = 0, i;

	while (n < batch &&
	       vringh_getdesc_kern(&v->vrh, &v->riov, &v->wiov, &heads[n],
				   GFP_ATOMIC) == 1)
		n++;
	if (!n)
		return 0;
	for (i = 0; i < n; i++)
		vringh_complete_kern(&v->vrh, heads[i], 0);
	vringh_need_notify_kern(&v->vrh);
	return n;
}

int stock_vringh_piece(struct stock_vringh *v, u32 i, u64 *addr,
		       u32 *len)
{
	const struct vringh_kiov *iov = &v->riov;

	if (i >= iov->used) {
		i -= iov->used;
		iov = &v->wiov;
	}
	if (i >= iov->used)
		return -1;
	*addr = (unsigned long)iov->iov[i].iov_base;
	*len = iov->iov[i].iov_len;
	return 0;
}
