# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The ways in which one block device or file is made a guest's disk: ours, and
# every peer's. To be sourced by bash, after selftests/vm/lib.sh, by what has set
#
#   backing   the block device or file
#   cpus      of the guest: the queues of each disk
#   work      a directory for sockets
#   out       where logs go
#   VHDB      vhdb
#
# serve SUBJECT adds to the two arrays what the guest's QEMU is to be given.
#
# shellcheck disable=SC2154

arguments=()	# for QEMU
ours=()		# for vhdb run
daemons=()

SUBJECTS=(ours worker poll packed iothread mapping vhost-user vhost-scsi vduse)
OURS=(ours worker poll packed)
PEERS=(iothread mapping vhost-user vhost-scsi vduse)
# What stands in figures for each.
# shellcheck disable=SC2034  # for who sources this
declare -A NAMES=(
	[ours]=vhost-doorbell
	[worker]=vhost-doorbell-worker
	[poll]=vhost-doorbell-poll
	[packed]=vhost-doorbell-packed
	[iothread]=qemu-iothread
	[mapping]=qemu-vq-mapping
	[vhost-user]=vhost-user-blk
	[vhost-scsi]=vhost-scsi
	[vduse]=vduse
	[ceiling]=ram-disk
)
# By which the guest tells the disks apart; that of vhost-user-blk is fixed, and a
# scsi disk has none.
declare -A SERIALS=([vhost-user]=vhost_user_blk)
for subject in "${SUBJECTS[@]}"; do
	: "${SERIALS[$subject]:=$subject}"
done
# What is added to our disk, and is an option of vhdb for it.
declare -A OPTIONS=([worker]=completion=worker [poll]=poll=50 [packed]=packed=on)

SCSI_TARGET=/sys/kernel/config/target
SCSI_WWN=naa.5001405000000001

subjects_help()
{
	cat <<-END
	    ours        our driver
	    worker      our driver, requests completed by the worker (completion=worker)
	    poll        our driver, polling for 50 us (poll=50), 1 ms if emulated
	    packed      our driver, packed rings
	    iothread    QEMU's virtio-blk, an iothread, io_uring
	    mapping     the same, its queues spread over iothreads, one for each
	    vhost-user  vhost-user-blk, served by qemu-storage-daemon
	    vhost-scsi  the kernel's vhost-scsi on an LIO block device
	    vduse       the same QEMU device as ours, served by qemu-storage-daemon
	END
}

# Whether it can be had: vhdb may be of a version that has no such option.
subject_known()
{
	local option=${OPTIONS[$1]:-}

	[ -z "$option" ] || "$VHDB" --help | grep -q "^  *${option%%=*}="
}

# One node each, so that none waits for another's.
blockdev()
{
	local driver=host_device

	[ -b "$backing" ] || driver="file"
	echo "driver=$driver,node-name=$1,filename=$backing,cache.direct=on,aio=io_uring,locking=off"
}

# daemon NAME EXPORT: a process of its own
daemon()
{
	local i

	"$(qemu10 qemu-storage-daemon)" --blockdev "$(blockdev disk)" \
		--object iothread,id=t0 --export "$2,node-name=disk,writable=on,iothread=t0" \
		--pidfile "$work/$1.pid" </dev/null >"$out/$1.log" 2>&1 &
	daemons+=($!)
	for ((i = 0; i < 100; i++)); do
		[ ! -s "$work/$1.pid" ] || return 0
		kill -0 "${daemons[-1]}" 2>/dev/null || break
		sleep 0.1
	done
	die "qemu-storage-daemon does not start ($1)" "see $out/$1.log"
}

serve_own()
{
	local option=${OPTIONS[$1]:-}

	ours+=(--blk "$backing,share=on,serial=${SERIALS[$1]},id=$1,queues=$cpus${option:+,$option}")
}

serve_iothread()
{
	arguments+=(-object "iothread,id=t0" -blockdev "$(blockdev n0)" -device
		"virtio-blk-pci,drive=n0,iothread=t0,num-queues=$cpus,serial=iothread")
}

serve_mapping()
{
	local i list=''

	for ((i = 0; i < cpus; i++)); do
		arguments+=(-object "iothread,id=m$i")
		list+="${list:+,}{\"iothread\":\"m$i\"}"
	done
	arguments+=(-blockdev "$(blockdev n1)" -device
		"{\"driver\":\"virtio-blk-pci\",\"drive\":\"n1\",\"num-queues\":$cpus,\"serial\":\"mapping\",\"iothread-vq-mapping\":[$list]}")
}

serve_vhost-user()
{
	daemon vhost-user "type=vhost-user-blk,id=e,addr.type=unix,addr.path=$work/vhost-user,num-queues=$cpus"
	arguments+=(-chardev "socket,id=vu,path=$work/vhost-user"
		-device "vhost-user-blk-pci,chardev=vu,num-queues=$cpus")
}

serve_vhost-scsi()
{
	local kind=iblock store control=udev_path=$backing

	if [ ! -b "$backing" ]; then
		kind=fileio
		control="fd_dev_name=$backing,fd_dev_size=$(stat -c %s "$backing")"
	fi
	store=$SCSI_TARGET/core/${kind}_0/bench
	modprobe -a target_core_mod target_core_${kind/fileio/file} vhost_scsi
	mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
	mkdir -p "$store"
	echo "$control" >"$store/control"
	echo 1 >"$store/enable"
	mkdir -p "$SCSI_TARGET/vhost/$SCSI_WWN/tpgt_1/lun/lun_0"
	echo naa.5001405000000002 >"$SCSI_TARGET/vhost/$SCSI_WWN/tpgt_1/nexus"
	ln -s "$store" "$SCSI_TARGET/vhost/$SCSI_WWN/tpgt_1/lun/lun_0/bench"
	arguments+=(-device "vhost-scsi-pci,wwpn=$SCSI_WWN,num_queues=$cpus")
}

serve_vduse()
{
	modprobe -a vduse vhost_vdpa
	daemon vduse "type=vduse-blk,id=e,name=vduse,serial=vduse,num-queues=$cpus"
	vdpa dev add name vduse mgmtdev vduse
	arguments+=(-device "vhost-vdpa-device-pci,vhostdev=/dev/vhost-vdpa-0")
}

serve()
{
	if [[ " ${OURS[*]} " = *" $1 "* ]]; then
		serve_own "$1"
	elif [[ " ${PEERS[*]} " = *" $1 "* ]]; then
		"serve_$1"
	else
		die "no subject $1" "there are: ${SUBJECTS[*]}"
	fi
}

# All of it, once the guest is gone.
serve_end()
{
	local tpg=$SCSI_TARGET/vhost/$SCSI_WWN/tpgt_1 store

	vdpa dev del vduse 2>/dev/null || true
	[ ${#daemons[@]} = 0 ] || kill "${daemons[@]}" 2>/dev/null || true
	wait
	[ -d "$tpg" ] || return 0
	rm -f "$tpg/lun/lun_0/bench"
	for store in "$SCSI_TARGET"/core/{iblock,fileio}_0; do
		[ ! -d "$store" ] || rmdir "$store/bench" "$store" || true
	done
	rmdir "$tpg/lun/lun_0" "$tpg" "${tpg%/*}" "$SCSI_TARGET/vhost" || true
	modprobe -qr vhost_scsi || true
}
