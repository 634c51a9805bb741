/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The contract of the kernel's tools/virtio/ringtest. Its own main.h has
 * READ_ONCE() and barriers, too, and can't be read together with the engine's.
 */
#ifndef VHDB_BENCH_RINGTEST_H
#define VHDB_BENCH_RINGTEST_H

#include <stdbool.h>

/* Implemented by ringtest's main.c. */
extern int param;
extern unsigned int ring_size;
void kick(void);
void call(void);

/* Called by it. */
void alloc_ring(void);
int add_inbuf(unsigned int len, void *buf, void *data);
void *get_buf(unsigned int *len, void **buf);
void disable_call(void);
bool used_empty(void);
bool enable_call(void);
void kick_available(void);
void disable_kick(void);
bool avail_empty(void);
bool enable_kick(void);
bool use_buf(unsigned int *len, void **buf);
void call_used(void);

#endif /* VHDB_BENCH_RINGTEST_H */
