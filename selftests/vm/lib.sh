# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the scripts that deal with virtual machines share: where things lie, how
# to say what is going on, and how a kernel's short name becomes paths.
# To be sourced by bash.
#
# The cache ($VHDB_CACHE) holds, each a link to a directory named by version:
#
#   kernel/NAME   release            `uname -r` of the kernel
#                 version            version of the package (or of the build)
#                 boot/vmlinuz-REL   boot/vmlinux-REL (optional, boots faster)
#                 lib/modules/REL    with depmod's files
#                 headers            link to what `make -C` takes
#                 modules            name of the kernel whose modules of ours it
#                                    takes, if that is another one (optional)
#   source/NAME   linux-source-*/    scripts and headers that checks and tests use
#                 linux-source-*.tar.xz    the whole tree
#   qemu/10       bin/PROGRAM        wrappers: libraries and firmware from here
#   qemu/ours     bin/PROGRAM        the same of what qemu-build has compiled
#   tools/NAME    bin/NAME
#
# A kernel that is built and not downloaded (patched, base, debug) only has to
# make such a directory (tree_link puts the link): everything below then
# knows it by name.

[ -n "${VHDB_LIB_SH:-}" ] && return 0
VHDB_LIB_SH=1

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
VHDB_CACHE=${VHDB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/vhost-doorbell}
# An absolute path: the VM sees the cache under the same name.
case $VHDB_CACHE in /*) ;; *) VHDB_CACHE=$PWD/$VHDB_CACHE ;; esac
export TOP VHDB_CACHE

# The name in front of every message; a script may choose another one.
VHDB_NAME=${VHDB_NAME:-$(basename "$0")}
# The exit status of die; `run` needs one that is apart from a command's.
VHDB_DIE_STATUS=${VHDB_DIE_STATUS:-1}

# Progress, on stderr: stdout belongs to results.
say()
{
	printf '%s: [%3d s] %s\n' "$VHDB_NAME" "$SECONDS" "$*" >&2
}

warn()
{
	printf '%s: warning: %s\n' "$VHDB_NAME" "$*" >&2
}

# die MESSAGE [WHAT TO DO NEXT]
die()
{
	printf '%s: error: %s\n' "$VHDB_NAME" "$1" >&2
	[ $# -lt 2 ] || printf '%s:   %s\n' "$VHDB_NAME" "$2" >&2
	exit "$VHDB_DIE_STATUS"
}

# kvm_present: loads KVM where it is not yet, or ends this
kvm_present()
{
	[ -c /dev/kvm ] || modprobe -q kvm-amd || modprobe -q kvm-intel || true
	[ -c /dev/kvm ] || die "there is no /dev/kvm" "the CPU needs (nested) virtualization"
}

# The kernels that `setup` fetches, in the order in which they're tested.
kernel_list()
{
	printf '%s\n' 6.1 6.12
}

# The kernels that are in the cache, these and those built by hand.
kernel_present()
{
	local dir

	for dir in "$VHDB_CACHE"/kernel/*; do
		[ -L "$dir" ] && [ -f "$dir/release" ] && basename "$dir"
	done
	return 0
}

# tree_link KIND/NAME DIRECTORY: make the cache's name stand for DIRECTORY, in
# one step, because others may be using it at this moment.
tree_link()
{
	local link=$VHDB_CACHE/$1 new

	mkdir -p "$(dirname "$link")"
	new=$(mktemp -d "$(dirname "$link")/.link.XXXXXX")
	ln -s "$(realpath --relative-to="$(dirname "$link")" "$2")" "$new/link"
	mv -T "$new/link" "$link"
	rmdir "$new"
}

# tree KIND/NAME: the directory that a name of the cache stands for just now.
# With the version in it, so that a later `setup` changes nothing under a
# running build or VM.
tree()
{
	local dir

	dir=$(readlink -e "$VHDB_CACHE/$1") ||
		die "$1 is not in the cache ($VHDB_CACHE)" \
		    "run selftests/vm/setup first"
	printf '%s\n' "$dir"
}

# kernel_tree NAME: the directory that has all of a kernel.
kernel_tree()
{
	local dir

	dir=$(readlink -e "$VHDB_CACHE/kernel/$1") ||
		die "no kernel named '$1' in $VHDB_CACHE (there: $(kernel_present | paste -sd ' '))" \
		    "for a kernel of the distribution run: selftests/vm/setup $1"
	printf '%s\n' "$dir"
}

# kernel_release NAME: as `uname -r` says it in the VM.
kernel_release()
{
	local dir

	dir=$(kernel_tree "$1") || exit
	cat "$dir/release"
}

# kernel_version NAME: the package's version.
kernel_version()
{
	local dir

	dir=$(kernel_tree "$1") || exit
	cat "$dir/version"
}

# kernel_image NAME: the compressed image.
kernel_image()
{
	local dir

	dir=$(kernel_tree "$1") || exit
	printf '%s/boot/vmlinuz-%s\n' "$dir" "$(cat "$dir/release")"
}

# kernel_boot NAME: what to give to `qemu -kernel`. The uncompressed image where
# there is one: emulated, unpacking takes longer than anything else in the boot.
kernel_boot()
{
	local dir rel

	dir=$(kernel_tree "$1") || exit
	rel=$(cat "$dir/release")
	if [ -f "$dir/boot/vmlinux-$rel" ]; then
		printf '%s/boot/vmlinux-%s\n' "$dir" "$rel"
	else
		printf '%s/boot/vmlinuz-%s\n' "$dir" "$rel"
	fi
}

# kernel_moddir NAME: for `modprobe -d`; lib/modules lies below.
kernel_moddir()
{
	kernel_tree "$1"
}

# kernel_headers NAME: KDIR, for `make -C`.
kernel_headers()
{
	local dir kdir

	dir=$(kernel_tree "$1") || exit
	kdir=$(readlink -e "$dir/headers") ||
		die "kernel '$1' has no headers in $dir" \
		    "remove that directory and run selftests/vm/setup again"
	printf '%s\n' "$kdir"
}

# kernel_source NAME: scripts/checkpatch.pl, scripts/kernel-doc,
# tools/testing/selftests/kselftest_harness.h and so on.
kernel_source()
{
	local dir src

	dir=$(tree "source/$1") || exit
	for src in "$dir"/linux-source-*/; do
		[ -f "$src/scripts/checkpatch.pl" ] || continue
		printf '%s\n' "${src%/}"
		return
	done
	die "no kernel source in $dir" "remove that directory and run selftests/vm/setup again"
}

# kernel_tarball NAME: the whole source, as one file.
kernel_tarball()
{
	local dir tarball

	dir=$(tree "source/$1") || exit
	for tarball in "$dir"/linux-source-*.tar.*; do
		[ -f "$tarball" ] || continue
		printf '%s\n' "$tarball"
		return
	done
	die "no source tarball in $dir" "remove that directory and run selftests/vm/setup again"
}

# kernel_modules NAME: where the build puts our modules for this kernel. One that
# only differs in its KVM says in the file "modules" which kernel's they are.
kernel_modules()
{
	local dir

	dir=$(kernel_tree "$1") || exit
	printf '%s/build/%s\n' "$TOP" "$(cat "$dir/modules" 2>/dev/null || echo "$1")"
}

# tool NAME: a program out of the cache (fio, busybox).
tool()
{
	local dir

	dir=$(tree "tools/$1") || exit
	printf '%s/bin/%s\n' "$dir" "$1"
}

busybox()
{
	tool busybox
}

# qemu10 [PROGRAM]: wrapper of QEMU 10's emulator or of another program of it
# (qemu-img, qemu-storage-daemon).
qemu10()
{
	local dir prog=${1:-qemu-system-x86_64}

	dir=$(tree qemu/10) || exit
	[ -x "$dir/bin/$prog" ] ||
		die "no $prog in $dir" "there are: $(cd "$dir/bin" && echo *)"
	printf '%s/bin/%s\n' "$dir" "$prog"
}

# qemu_ours [PROGRAM]: likewise of the one with qemu-patches/.
qemu_ours()
{
	local dir prog=${1:-qemu-system-x86_64}

	dir=$(readlink -e "$VHDB_CACHE/qemu/ours") ||
		die "there is no QEMU with qemu-patches/ in the cache" "run make qemu"
	[ -x "$dir/bin/$prog" ] ||
		die "no $prog in $dir" "there are: $(cd "$dir/bin" && echo *)"
	printf '%s/bin/%s\n' "$dir" "$prog"
}

# quote WORD...: so that any POSIX shell reads the same words again.
quote()
{
	local word sep=

	for word; do
		printf "%s'%s'" "$sep" "${word//\'/\'\\\'\'}"
		sep=' '
	done
}

# newc DIRECTORY: an initramfs archive of what is in it, to stdout.
newc()
{
	local bb

	bb=$(busybox) || exit
	(cd "$1" && find . -mindepth 1 | LC_ALL=C sort | "$bb" cpio -o -H newc -R 0:0 2>/dev/null)
}
