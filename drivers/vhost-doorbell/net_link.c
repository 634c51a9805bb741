// SPDX-License-Identifier: GPL-2.0
/*
 * The interface that config space tells of: its carrier and its MTU. All of it is
 * under RTNL, which the notifier is called with.
 */
#include <linux/if_ether.h>
#include <linux/list.h>
#include <linux/netdevice.h>
#include <linux/nsproxy.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>

#include "net.h"

static LIST_HEAD(followers);

static u16 link_status(const struct net_device *ifdev)
{
	return netif_running(ifdev) && netif_carrier_ok(ifdev) ?
	       VIRTIO_NET_S_LINK_UP : 0;
}

/* 5.1.4.1: between 68 and 65535 */
static u16 link_mtu(const struct net_device *ifdev)
{
	return clamp_t(unsigned int, ifdev->mtu, ETH_MIN_MTU, ETH_MAX_MTU);
}

static void look(struct net_dev *net)
{
	u16 status = net->ifdev ? link_status(net->ifdev) : 0;

	ASSERT_RTNL();
	if (net->ifdev)
		net->next_mtu = link_mtu(net->ifdev);
	/* 5.1.4.1: what a driver was told of stays. */
	if (!net->chosen)
		WRITE_ONCE(net->mtu, net->next_mtu);
	if (status == net->status)
		return;
	WRITE_ONCE(net->status, status);
	/* 5.1.4.2.1: after it has changed */
	vhdb_config_changed(net->dev);
}

static int changed(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct net_device *ifdev = netdev_notifier_info_to_dev(ptr);
	struct net_dev *net;

	list_for_each_entry(net, &followers, link) {
		if (net->ifdev != ifdev)
			continue;
		if (event == NETDEV_UNREGISTER)
			net->ifdev = NULL;
		look(net);
	}
	return NOTIFY_DONE;
}

static struct notifier_block notifier = {
	.notifier_call = changed,
};

/**
 * net_link_follow() - tell of an interface from now on
 * @net: a device that follows none
 * @ifindex: its index in the caller's network namespace
 *
 * Context: process; takes RTNL.
 * Return: 0 or -ENODEV.
 */
int net_link_follow(struct net_dev *net, u32 ifindex)
{
	struct net *ns = current->nsproxy->net_ns;
	int err = -ENODEV;

	if (ifindex > INT_MAX)
		return err;
	rtnl_lock();
	/* No reference: it does not go without telling us. */
	net->ifdev = __dev_get_by_index(ns, ifindex);
	if (net->ifdev) {
		net->status = link_status(net->ifdev);
		net->next_mtu = link_mtu(net->ifdev);
		net->mtu = net->next_mtu;
		net->has_link = true;
		list_add(&net->link, &followers);
		err = 0;
	}
	rtnl_unlock();
	return err;
}

/**
 * net_link_forget() - follow no interface any more
 * @net: the device
 *
 * Context: process; takes RTNL.
 */
void net_link_forget(struct net_dev *net)
{
	if (!net->has_link)
		return;
	rtnl_lock();
	list_del(&net->link);
	rtnl_unlock();
}

/**
 * net_link_chosen() - a driver has read what there is, or is gone
 * @net: the device
 * @chosen: which of the two
 *
 * Context: process; takes RTNL.
 */
void net_link_chosen(struct net_dev *net, bool chosen)
{
	if (!net->has_link)
		return;
	rtnl_lock();
	net->chosen = chosen;
	look(net);
	rtnl_unlock();
}

/**
 * net_link_init() - at module init
 *
 * Context: process.
 * Return: 0 or -errno.
 */
int net_link_init(void)
{
	return register_netdevice_notifier(&notifier);
}

/**
 * net_link_exit() - at module exit
 *
 * Context: process; there is no device.
 */
void net_link_exit(void)
{
	unregister_netdevice_notifier(&notifier);
}
