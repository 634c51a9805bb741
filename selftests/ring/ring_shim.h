/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What drivers/vhost-doorbell/ring*.c take from the kernel, for userspace:
 * types, byte order, single accesses and barriers. Nothing else belongs here.
 *
 * Two switches serve the tests:
 *
 *   VHDB_SHIM_HOOKS  each READ_ONCE and each barrier calls a hook, so that a
 *                    test plays the driver at exactly that moment.
 *   VHDB_SHIM_SWAP   converts as a machine of the other byte order does: a
 *                    field that is converted not at all, or twice, shows.
 */
#ifndef VHDB_RING_SHIM_H
#define VHDB_RING_SHIM_H

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#ifdef __CHECKER__
#define __force	__attribute__((force))
#else
#define __force
#endif

#define BIT(n)		(1UL << (n))
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define noinline	__attribute__((noinline))
#define prefetch(p)	__builtin_prefetch(p)

typedef __s32 s32;

#define ____cacheline_aligned_in_smp	__attribute__((aligned(64)))

#if (__BYTE_ORDER == __LITTLE_ENDIAN) != defined(VHDB_SHIM_SWAP)
#define shim_le16(x)	(x)
#define shim_le32(x)	(x)
#define shim_le64(x)	(x)
#else
#define shim_le16(x)	__builtin_bswap16(x)
#define shim_le32(x)	__builtin_bswap32(x)
#define shim_le64(x)	__builtin_bswap64(x)
#endif

static inline u16 le16_to_cpu(__le16 x)
{
	return shim_le16((__force u16)x);
}

static inline u32 le32_to_cpu(__le32 x)
{
	return shim_le32((__force u32)x);
}

static inline u64 le64_to_cpu(__le64 x)
{
	return shim_le64((__force u64)x);
}

static inline __le16 cpu_to_le16(u16 x)
{
	return (__force __le16)shim_le16(x);
}

static inline __le32 cpu_to_le32(u32 x)
{
	return (__force __le32)shim_le32(x);
}

static inline __le64 cpu_to_le64(u64 x)
{
	return (__force __le64)shim_le64(x);
}

/*
 * ThreadSanitizer does not understand fences. For it alone the accesses
 * themselves are ordered; that hides a missing barrier, which is what the
 * other builds are for, and shows data races in what is private to one side.
 */
#ifdef __SANITIZE_THREAD__
#define SHIM_TSAN
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHIM_TSAN
#endif
#endif

#ifdef SHIM_TSAN
#define SHIM_LOAD	__ATOMIC_ACQUIRE
#define SHIM_STORE	__ATOMIC_RELEASE
#else
#define SHIM_LOAD	__ATOMIC_RELAXED
#define SHIM_STORE	__ATOMIC_RELAXED
#endif

enum shim_barrier {
	SHIM_MB,
	SHIM_RMB,
	SHIM_WMB,
};

#ifdef VHDB_SHIM_HOOKS
/**
 * struct shim_hooks - what a test does in the middle of the engine
 * @read: called after a READ_ONCE of @size bytes at @p
 * @barrier: called at a barrier
 */
struct shim_hooks {
	void (*read)(const void *p, size_t size);
	void (*barrier)(enum shim_barrier kind);
};

/* Defined by the test. */
extern struct shim_hooks shim_hooks;
#endif

static inline void shim_hook_read(const void *p, size_t size)
{
#ifdef VHDB_SHIM_HOOKS
	if (shim_hooks.read)
		shim_hooks.read(p, size);
#endif
}

static inline void shim_hook_barrier(enum shim_barrier kind)
{
#ifdef VHDB_SHIM_HOOKS
	if (shim_hooks.barrier)
		shim_hooks.barrier(kind);
#endif
}

#ifdef __CHECKER__
/* sparse has no restricted types in its __atomic functions. */
#define shim_load(p)		(*(p))
#define shim_store(p, val)	(*(p) = (val))
#else
#define shim_load(p)		__atomic_load_n(p, SHIM_LOAD)
#define shim_store(p, val)	__atomic_store_n(p, val, SHIM_STORE)
#endif

#define READ_ONCE(x)						\
	({							\
		const __typeof__(x) *shim_p = &(x);		\
		__typeof__(x) shim_v = shim_load(shim_p);	\
								\
		shim_hook_read(shim_p, sizeof(*shim_p));	\
		shim_v;						\
	})

#define WRITE_ONCE(x, val)	shim_store(&(x), val)

#define shim_fence(order, kind)					\
	do {							\
		__atomic_thread_fence(order);			\
		shim_hook_barrier(kind);			\
	} while (0)

/*
 * The kernel's own on x86, which is below the stack's top. What the compiler
 * makes of a fence is on it, where the return address may just have been put,
 * and a return then waits for it.
 */
#if defined(__x86_64__) && !defined(SHIM_TSAN)
#define shim_mb()						\
	do {							\
		asm volatile("lock; addl $0,-4(%%rsp)"		\
			     ::: "memory", "cc");		\
		shim_hook_barrier(SHIM_MB);			\
	} while (0)
#else
#define shim_mb()	shim_fence(__ATOMIC_SEQ_CST, SHIM_MB)
#endif

/* Each as strong as the kernel's, and no stronger where the machine is weak. */
#define virt_mb()	shim_mb()				/* all */
#define virt_rmb()	shim_fence(__ATOMIC_ACQUIRE, SHIM_RMB)	/* reads */
#define virt_wmb()	shim_fence(__ATOMIC_RELEASE, SHIM_WMB)	/* writes */

#endif /* VHDB_RING_SHIM_H */
