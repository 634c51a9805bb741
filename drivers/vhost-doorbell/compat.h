/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between kernels.
 *
 * Prototypes are probed at build time: compat-probe.sh try-compiles a few
 * lines and writes compat_probed.h. Differences of meaning behind one
 * prototype cannot be probed; they are tested by version, here:
 *
 *   6.8  vfs_iocb_iter_write() takes freeze protection, which the completion
 *        of an asynchronous write has to release. Before, it took none.
 *
 * A kernel tree needs neither: there, only the newest form is kept.
 */
#ifndef VHDB_COMPAT_H
#define VHDB_COMPAT_H

#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/version.h>

#include "compat_probed.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "vhost-doorbell needs Linux 6.1 or newer"
#endif

/* Before the device of a devnode(). */
#ifdef VHDB_HAVE_DEVNODE_CONST
#define VHDB_DEVNODE_CONST	const
#else
#define VHDB_DEVNODE_CONST
#endif

static inline void vhdb_eventfd_signal(struct eventfd_ctx *ctx)
{
#ifdef VHDB_HAVE_EVENTFD_SIGNAL_ONE_ARG
	eventfd_signal(ctx);
#else
	eventfd_signal(ctx, 1);
#endif
}

static inline void
vhdb_hrtimer_setup(struct hrtimer *timer,
		   enum hrtimer_restart (*fn)(struct hrtimer *timer))
{
#ifdef VHDB_HAVE_HRTIMER_SETUP
	hrtimer_setup(timer, fn, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
#else
	hrtimer_init(timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	timer->function = fn;
#endif
}

/* Before vfs_iocb_iter_write(). */
static inline void vhdb_kiocb_start_write(struct kiocb *iocb)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
	struct super_block *sb = file_inode(iocb->ki_filp)->i_sb;

	sb_start_write(sb);
	/* It is released by another context: tell lockdep. */
	__sb_writers_release(sb, SB_FREEZE_WRITE);
#endif
}

/*
 * After a write. @submitted: vfs_iocb_iter_write() answered -EIOCBQUEUED, so
 * the protection is still held on every kernel.
 */
static inline void vhdb_kiocb_end_write(struct kiocb *iocb, bool submitted)
{
	struct super_block *sb = file_inode(iocb->ki_filp)->i_sb;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	/* Then it has released the protection itself. */
	if (!submitted)
		return;
#endif
	__sb_writers_acquired(sb, SB_FREEZE_WRITE);
	sb_end_write(sb);
}

#endif /* VHDB_COMPAT_H */
