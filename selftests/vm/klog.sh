# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Reading the kernel's log and judging it, and loading our modules: what is done
# alike in the VM (init) and on a live machine (run --here). For any POSIX shell.

# What makes a run a failure, at the start of a message or anywhere in it. (Loading
# a module from outside the kernel's tree taints it, which is no failure, nor is an
# interrupt that took long on an emulated processor: "INFO: NMI handler".)
KLOG_START='BUG |WARNING: |INFO: (task|rcu|trying|lockdep|possible|suspicious|Slab|Object)|Oops|Kernel panic|Bad (page|rss|swap)|ODEBUG: '
KLOG_ANYWHERE='-\[ cut here \]-|kernel BUG at|BUG: |Oops: |Kernel panic'
KLOG_ANYWHERE="$KLOG_ANYWHERE|WARNING: (CPU|possible|suspicious|inconsistent|bad|lock|nested|chain)"
KLOG_ANYWHERE="$KLOG_ANYWHERE|(KASAN|KCSAN|KMSAN|KFENCE|UBSAN): |[Uu]nable to handle|general protection"
KLOG_ANYWHERE="$KLOG_ANYWHERE|stack segment:|invalid opcode:|divide error:|double fault"
KLOG_ANYWHERE="$KLOG_ANYWHERE|list_(add|del) (corruption|double)|refcount_t: |scheduling while atomic"
KLOG_ANYWHERE="$KLOG_ANYWHERE|rcu: INFO: |detected (expedited )?stalls|blocked for more than|soft lockup|LOCKUP"
KLOG_ANYWHERE="$KLOG_ANYWHERE|DEBUG_LOCKS_WARN|lockdep is turned off|page allocation failure"
KLOG_ANYWHERE="$KLOG_ANYWHERE|Objects remaining|still has objects|nobody cared|unregister_netdevice: waiting"
# For want of memory, that can fail without being wrong.
KLOG_ANYWHERE="$KLOG_ANYWHERE|cannot create duplicate|kobject_add_internal failed for .*(-EEXIST|error: -2 )"
# A log line, with or without its time and caller.
KLOG_BAD="^(\[[^]]*\] ?)*($KLOG_START)|$KLOG_ANYWHERE"

# klog_seq: the number of the log's latest record.
klog_seq()
{
	klog_raw | tail -n 1 | cut -d , -f 2
}

# All records, whoever may have "cleared" the log for dmesg. Reading ends with an
# error when there is nothing more to read: that's how it is done.
klog_raw()
{
	dd if=/dev/kmsg bs=8192 iflag=nonblock 2>/dev/null | grep '^[0-9]'
}

# klog_text SEQ: the records after number SEQ (all: -1), as dmesg would print them.
klog_text()
{
	klog_raw | klog_print "$1"
}

klog_print()
{
	awk -v after="$1" '/^[0-9]/ {
		at = index($0, ";")
		split(substr($0, 1, at - 1), head, ",")
		if (head[2] + 0 > after + 0)
			printf "[%5d.%06d] %s\n", head[3] / 1000000, head[3] % 1000000, substr($0, at + 1)
	}'
}

# klog_follow: from here on klog_new knows what is new. Each read gives one record,
# and a log has thousands of them: not to be read from its beginning each time.
klog_follow()
{
	exec 9</dev/kmsg
	klog_rest >/dev/null
}

# klog_new: the records since klog_follow or the last klog_new, as dmesg would
# print them.
klog_new()
{
	klog_rest | klog_print -1
}

# A reader that was too slow (EPIPE) is put to the oldest record that is left.
klog_rest()
{
	while case $(dd bs=8192 iflag=nonblock <&9 2>&1 >&3) in
		*'Broken pipe'*) ;;
		*) false ;;
		esac
	do
		:
	done
} 3>&1

# klog_scan FILE: prints what is wrong in a log and what surrounds it; true if
# nothing is wrong.
klog_scan()
{
	# Text from a dying kernel may hold anything: -a.
	! grep -aE -B 2 -A 40 -e "$KLOG_BAD" "$1"
}

# modules_load DIRECTORY: ours, the core first, and whatever they need.
modules_load()
{
	[ ! -f "$1/vhost_doorbell.ko" ] || modules_insert "$1" vhost_doorbell || return
	for modules_file in "$1"/vhost_doorbell*.ko; do
		modules_file=${modules_file##*/}
		modules_insert "$1" "${modules_file%.ko}" || return
	done
}

# modules_insert DIRECTORY MODULE: after what it depends on, of ours or not.
modules_insert()
{
	[ -f "$1/$2.ko" ] || return 0
	[ ! -d "/sys/module/$2" ] || return 0
	for modules_need in $(modinfo -F depends "$1/$2.ko" | tr ',' ' '); do
		if [ -f "$1/$modules_need.ko" ]; then
			(modules_insert "$1" "$modules_need") || return
		else
			modprobe "$modules_need" || return
		fi
	done
	insmod "$1/$2.ko"
}

# modules_unload: all of ours; the kernel's list has the users before what they use.
modules_unload()
{
	modules_left=
	# shellcheck disable=SC2013  # one word each
	for modules_file in $(sed -n 's/^\(vhost_doorbell[^ ]*\) .*/\1/p' /proc/modules); do
		rmmod "$modules_file" || modules_left="$modules_left $modules_file"
	done
	[ -z "$modules_left" ]
}
