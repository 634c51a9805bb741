/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Numbers at random, the same each time, so that a failure comes back.
 */
#ifndef VHDB_RND_H
#define VHDB_RND_H

#include "ring_shim.h"

/* xorshift64 */
static inline u64 rnd(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A number below @n. */
static inline u32 below(u64 *state, u32 n)
{
	return (rnd(state) >> 32) % n;
}

/* True once in @n times. */
static inline bool once_in(u64 *state, u32 n)
{
	return !below(state, n);
}

#endif /* VHDB_RND_H */
