# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The disks of a guest of our own QEMU: its root on a RAM disk, and two images on a
# file system, one of which has packed rings. To be sourced by bash, after guest.sh, by what has set
#
#   images   what guest-image made
#   out      where logs go
#
# shellcheck disable=SC2034,SC2154

VHDB=${VHDB:-$TOP/build/vhdb/vhdb}
DISKS_APPEND="console=ttyS0 quiet loglevel=4 panic=-1 no_timer_check tsc=reliable i8042.noaux i8042.nokbd"
DISKS_QEMU=()

disks_ours=false
disks_dir=

# disks_make DIR: the RAM disk as the guest's root, and a file system on DIR
disks_make()
{
	local mb

	disks_dir=$1
	[ "$(id -u)" = 0 ] || die "this needs root" "run it in: selftests/vm/run -- $0"
	[ -c /dev/vhost-doorbell/control ] || modprobe -q vhost_doorbell_blk ||
		die "the driver is not loaded" "run this in: selftests/vm/run -- $0"
	[ -f "$images/root.img" ] || die "there is no guest in $images" "run selftests/vm/guest-image $images first"
	kvm_present

	mb=$(($(stat -c %s "$images/root.img") >> 20))
	# Somebody's data may be in it.
	[ ! -d /sys/module/brd ] || die "there are RAM disks already" "modprobe -r brd, if they hold nothing of worth"
	modprobe brd rd_nr=2 rd_size=$((mb << 10)) ||
		die "there is no RAM disk" "the kernel needs the module brd"
	disks_ours=true
	dd if="$images/root.img" of=/dev/ram0 bs=1M oflag=direct conv=sparse status=none
	mke2fs -q -t ext4 -O ^has_journal -m 0 /dev/ram1
	mkdir -p "$disks_dir"
	mount /dev/ram1 "$disks_dir"
	truncate -s 64M "$disks_dir/file.img" "$disks_dir/packed.img"

	DISKS_QEMU=(
		-device "vhost-doorbell-blk-pci,id=root,serial=vhdb-root,filename=/dev/ram0,num-queues=2"
		-device "vhost-doorbell-blk-pci,id=file,serial=vhdb-file,filename=$disks_dir/file.img,direct=on,num-queues=2"
		-device "vhost-doorbell-blk-pci,id=packed,serial=vhdb-packed,filename=$disks_dir/packed.img,direct=on,num-queues=2,packed=on")
}

disks_remove()
{
	umount "$disks_dir/../root" 2>/dev/null || true
	umount "$disks_dir" 2>/dev/null || true
	! $disks_ours || modprobe -r brd || true
}

# failed MESSAGE: with the last of what was said; apart, what the emulator did
failed()
{
	{
		echo "--- the last lines of qemu.log and serial.log"
		tail -n 10 "$out/qemu.log"
		tail -n 10 "$out/serial.log"
	} >&2
	if shutdown_seen; then
		cat "$SHUTDOWN"/trace >"$out/shutdown.log"
		export VHDB_DIE_STATUS=$EMULATOR_FAILED
		die "the emulated CPU shut the guest down, by a triple fault ($1)" \
			"run it once more; KVM's trace of it is in $out/shutdown.log"
	fi
	die "$1" "all of it is in $out"
}
