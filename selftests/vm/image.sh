# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What initramfs and disks of small machines are filled with. To be sourced by
# bash, after lib.sh.

# file_unpacked FILE: its contents, whatever the kernel's package packs with.
file_unpacked()
{
	case $1 in
	*.xz) xz -dc "$1" ;;
	*.zst) zstd -dcq "$1" ;;
	*.gz) gzip -dc "$1" ;;
	*) cat "$1" ;;
	esac
}

# modules_into TREE KERNEL NAME...: with all that they need, as modules/NN-NAME.ko,
# NN being the order in which they are to be loaded.
modules_into()
{
	local tree=$1 kernel=$2 dir rel name file n=0
	shift 2

	dir=$(kernel_moddir "$kernel")
	rel=$(kernel_release "$kernel")
	mkdir -p "$tree/modules"
	while read -r file; do
		n=$((n + 1))
		file_unpacked "$file" >"$tree/modules/$(printf '%02d' $n)-$(basename "${file%%.ko*}").ko"
	done < <(for name; do
		modprobe -d "$dir" -S "$rel" --show-depends "$name"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }')
	[ "$n" != 0 ] || die "kernel '$kernel' has none of the modules $*" "run selftests/vm/setup $kernel"
}

# The names by which busybox is called.
busybox_into()
{
	local tree=$1 bb name

	bb=$(busybox)
	mkdir -p "$tree/bin"
	install -m 755 "$bb" "$tree/bin/busybox"
	for name in $("$bb" --list); do
		[ "$name" = busybox ] || ln -s busybox "$tree/bin/$name"
	done
}

# Debian's fio with the libraries that it's linked with, under TREE.
# fio_into TREE SCRATCH
fio_into()
{
	local tree=$1 work=$2 dir prog libs lib

	dir=$(tree tools/fio)
	prog=$dir/usr/bin/fio
	libs=$(find "$dir/" -name '*.so*' -printf '%h\n' | sort -u | paste -sd :)
	install -D -m 755 "$prog" "$tree/usr/bin/fio"
	mkdir -p "$tree/lib/x86_64-linux-gnu" "$tree/lib64"
	# "NAME => PATH (ADDRESS)", and the loader as "PATH (ADDRESS)"
	LD_LIBRARY_PATH=$libs ldd "$prog" >"$work/ldd"
	while read -r lib; do
		case $lib in
		*/ld-linux-*) install -m 755 "$lib" "$tree/lib64/" ;;
		*) install -m 644 "$lib" "$tree/lib/x86_64-linux-gnu/" ;;
		esac
	done < <(awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' "$work/ldd")
}
