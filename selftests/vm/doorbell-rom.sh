# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A guest that rings the doorbells of vhost-doorbell-testdev, and nothing else: the
# firmware doorbell-rom.S. To be sourced by bash, after lib.sh, by what has set
#
#   qemu    the program
#   tmp     a directory for the files
#
# shellcheck disable=SC2034,SC2154

# As the firmware has them: how often it rings, by memory and then by a port, and
# where.
ROM_RINGS=1000
ROM_MMIO=0xe0000000
ROM_PORT=0xc000

# rom_make: a firmware of 64 KiB
rom_make()
{
	gcc -m32 -c -o "$tmp/rom.o" "$TOP/selftests/vm/doorbell-rom.S"
	ld -m elf_i386 --oformat binary -Ttext 0 -e start -o "$tmp/rom" "$tmp/rom.o"
	[ "$(stat -c %s "$tmp/rom")" = 65536 ] || die "the firmware is not 64 KiB"
}

# rom_run OPTIONS: the device's own; how long each ring took is in $tmp/times
rom_run()
{
	local status=0

	: >"$tmp/times"
	timeout 60 "$qemu" -M pc -accel kvm -cpu host -m 16M -nodefaults -display none \
		-bios "$tmp/rom" -device "vhost-doorbell-testdev,addr=4,$1" \
		-device isa-debugcon,iobase=0xe9,chardev=times \
		-chardev "file,id=times,path=$tmp/times" \
		-device isa-debug-exit,iobase=0xf4,iosize=1 || status=$?
	[ $status = 1 ] || {
		echo "QEMU ended with status $status, before the guest's end" >&2
		return 1
	}
	[ "$(stat -c %s "$tmp/times")" = $((ROM_RINGS * 8)) ] || {
		echo "not all rings were timed" >&2
		return 1
	}
}
