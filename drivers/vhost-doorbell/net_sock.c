// SPDX-License-Identifier: GPL-2.0
/*
 * The tap: a tun or macvtap file, which has a socket that speaks to kernel users.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/if_tap.h>
#include <linux/if_tun.h>
#include <linux/ptr_ring.h>

#include "net.h"

static struct socket *find_socket(struct file *file)
{
	struct socket *sock = tun_get_socket(file);

	return IS_ERR(sock) ? tap_get_socket(file) : sock;
}

static struct ptr_ring *find_ring(struct file *file)
{
	struct ptr_ring *ring = tun_get_tx_ring(file);

	return IS_ERR(ring) ? tap_get_ptr_ring(file) : ring;
}

/**
 * net_sock_check() - can a file be served?
 * @file: any file; the caller holds it
 *
 * Context: process.
 * Return: 0; -ESOCKTNOSUPPORT for a socket, -ENOTSOCK for anything else that is
 * no tap.
 */
int net_sock_check(struct file *file)
{
	if (!IS_ERR(find_socket(file)))
		return 0;
	return sock_from_file(file) ? -ESOCKTNOSUPPORT : -ENOTSOCK;
}

/* Somebody has written to the socket, or there is room in it. */
static int woken(wait_queue_entry_t *wait, unsigned int mode, int sync,
		 void *key)
{
	struct net_queue *q = container_of(wait, struct net_queue, wait);
	bool rx = q == &q->net->queues[NET_RX];

	if (key && !(key_to_poll(key) & (rx ? ~EPOLLOUT : EPOLLOUT)))
		return 0;
	/* Once is enough: who sends the next packet finds nobody to wake. */
	list_del_init_careful(&wait->entry);
	vhdb_vq_wake(q->vq);
	return 0;
}

/**
 * net_sock_init() - a queue without a tap
 * @q: the queue, zeroed
 *
 * Context: process.
 */
void net_sock_init(struct net_queue *q)
{
	init_waitqueue_func_entry(&q->wait, woken);
	INIT_LIST_HEAD(&q->wait.entry);
}

/**
 * net_sock_set() - another tap, or none
 * @q: the queue; it is not served, does not listen and has no packet
 * @file: the tap, which was checked; NULL for none
 *
 * Context: process.
 */
void net_sock_set(struct net_queue *q, struct file *file)
{
	struct file *old = q->file;

	q->file = file ? get_file(file) : NULL;
	/* They live as long as the file does. */
	q->sock = file ? find_socket(file) : NULL;
	q->ring = file ? find_ring(file) : NULL;
	if (old)
		fput(old);
}

/**
 * net_sock_listen() - have the queue woken
 * @q: the queue, which has a tap
 *
 * Whoever makes something for it afterwards wakes it; what was there before, the
 * caller has to look for.
 *
 * Context: the worker.
 */
void net_sock_listen(struct net_queue *q)
{
	/* Nobody else adds it. */
	if (list_empty_careful(&q->wait.entry))
		add_wait_queue(&q->sock->wq.wait, &q->wait);
	/*
	 * Before the caller looks: pairs with the barrier of wq_has_sleeper()
	 * between the packet and the look at the wait queue.
	 */
	smp_mb();
}

/**
 * net_sock_unlisten() - have the queue woken no more
 * @q: the queue, not served
 *
 * Context: process. Afterwards the wake-up callback is not running and will not
 * run.
 */
void net_sock_unlisten(struct net_queue *q)
{
	unsigned long flags;

	if (!q->sock)
		return;
	/* The lock that the callback runs under. */
	spin_lock_irqsave(&q->sock->wq.wait.lock, flags);
	list_del_init(&q->wait.entry);
	spin_unlock_irqrestore(&q->sock->wq.wait.lock, flags);
}
