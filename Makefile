# SPDX-License-Identifier: GPL-2.0
#
# The front door. `make help` tells what there is.
#
# Nothing is written outside of build/ and the cache, but by install targets.

SHELL := /bin/bash
TOP := $(CURDIR)
BUILD := $(TOP)/build
VM := $(TOP)/selftests/vm

# For `make` and `make install`: the running kernel, or another.
KREL ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KREL)/build

.DEFAULT_GOAL := all
.PHONY: help all modules vhdb selftests setup check test test-long demo \
	docs bench-notify bench-register bench-ring bench-blk bench-net fuzz coverage install uninstall \
	qemu clean distclean FORCE

help:
	@sed -n 's/^##@ \?//p' $(firstword $(MAKEFILE_LIST))

##@ make demo        a guest on a disk of ours, start to end, set-up included
##@ make test        everything: check, tests in VMs, then a real guest
##@ make check       what needs no VM: builds, style, documentation, the engine
##@ make test-long   what takes too long for `make test`
##@
##@ make bench-notify    what a ring of a doorbell costs, by every path
##@ make bench-register  10,000 ioeventfds in one VM: Debian's KVM, kvm-patches/
##@ make bench-ring      what a buffer costs on a ring; against the kernel's
##@ make bench-blk       a guest's disk: ours, and every other way there is
##@ make bench-net       a guest's network: ours, and the kernel's vhost-net
##@ make fuzz SECONDS=N  the engine against drivers that break the rules
##@ make coverage        what of the engine its unit tests run
##@
##@ make docs        Documentation/ as HTML, in build/docs
##@ make             the modules for the running kernel (KREL=, KDIR=) and vhdb
##@ make install     both onto this machine, as root; make uninstall
##@
##@ make setup       kernels, headers, QEMU into the cache; says what it does
##@ make qemu        QEMU with our device, from qemu-patches/, into the cache
##@ make modules-K   the modules for a kernel of the cache (K: 6.12, 6.1, debug)
##@ make selftests   the tests that run in a VM
##@ make clean       removes build/; make distclean removes the cache, too

all: modules vhdb

# One tree of links for each kernel, so that objects of several kernels stand
# side by side and the checkout stays clean. Links to what is gone go.
# Objects of another kernel than that are of no use, and Kbuild does not see it.
# $(1) where to, $(2) KDIR, $(3) arguments of make
define build_modules
	mkdir -p $(1) && kdir=$$(readlink -f "$(2)") && \
		if [ "$$kdir" != "$$(cat $(1)/kdir 2>/dev/null)" ]; then \
			rm -rf $(1)/src && echo "$$kdir" >$(1)/kdir; \
		fi
	mkdir -p $(1)/src && find $(1)/src -type l -delete
	mkdir -p $(1)/src/selftests/vhost-doorbell
	cp -asn $(TOP)/Kbuild $(TOP)/drivers $(TOP)/include $(1)/src/
	cp -asn $(TOP)/selftests/vhost-doorbell/modules $(1)/src/selftests/vhost-doorbell/
	+$(MAKE) --no-print-directory -C $(2) M=$(1)/src $(3) modules
	find $(1)/src -name '*.ko' -exec cp -t $(1) {} +
endef

modules:
	@[ -d "$(KDIR)" ] || { echo "no kernel headers in $(KDIR): install \
	linux-headers-$(KREL), or name them with KDIR=" >&2; exit 1; }
	@$(call build_modules,$(BUILD)/host,$(KDIR))

# W=1 and C=1 (sparse) always: a warning is an error.
modules-%: FORCE
	@$(call build_modules,$(BUILD)/$*,$$(. $(VM)/lib.sh && kernel_headers $*),\
		VHDB_TEST_MODULES=m W=1 C=1 CF="-D__CHECK_ENDIAN__ -Wsparse-error" KCFLAGS=-Werror)

vhdb:
	@$(MAKE) --no-print-directory -C tools/vhdb

selftests:
	@$(MAKE) --no-print-directory -C selftests/vhost-doorbell

setup:
	@$(VM)/setup

check test test-long:
	@tools/test $@

qemu:
	@$(VM)/setup packages qemu ours

demo: setup
	@$(MAKE) --no-print-directory -s modules-6.12 vhdb
	@$(VM)/demo
	@tools/bench/blk -d

bench-notify:
	@$(VM)/setup && $(VM)/setup bench ours
	@$(MAKE) --no-print-directory -s modules-6.12 selftests
	@tools/bench/notify

bench-register:
	@$(VM)/setup && $(VM)/setup bench
	@$(MAKE) --no-print-directory -s selftests
	@tools/bench/register

bench-ring:
	@$(VM)/setup packages source-6.1 source-6.12 bench
	@$(MAKE) --no-print-directory -s -C selftests/ring bench
	@tools/bench/ring

bench-blk:
	@$(VM)/setup && $(VM)/setup bench
	@$(MAKE) --no-print-directory -s modules-6.12 vhdb
	@tools/bench/blk

bench-net:
	@$(VM)/setup && $(VM)/setup bench
	@$(MAKE) --no-print-directory -s modules-6.12 selftests
	@tools/bench/net

# The loads of bench-blk and bench-net, which have to run in a guest without libraries.
$(BUILD)/bench/%: tools/bench/%.c tools/bench/load.h
	mkdir -p $(@D)
	gcc -std=gnu11 -O2 -Wall -Wextra -Werror -static -pthread -o $@ $<

docs:
	@$(VM)/setup packages source-6.12
	@tools/check/docs $(BUILD)/docs
	@echo "$(BUILD)/docs/index.html"

fuzz coverage:
	@$(VM)/setup packages source-6.12
	@$(MAKE) --no-print-directory -s -C selftests/ring $@

# $(1) path of a module: where depmod finds it before any of the kernel's own
MODDIR = $(DESTDIR)/lib/modules/$(KREL)/updates/vhost-doorbell
HDRDIR = $(DESTDIR)/usr/include/linux

install:
	@ls $(BUILD)/host/*.ko >/dev/null 2>&1 || { echo "nothing is built: run \
	make first, as an ordinary user" >&2; exit 1; }
	install -d $(MODDIR)
	install -m 644 $(BUILD)/host/*.ko $(MODDIR)/
	install -d $(HDRDIR)
	install -m 644 include/uapi/linux/vhost_doorbell*.h $(HDRDIR)/
	$(MAKE) --no-print-directory -C tools/vhdb install
	[ -n "$(DESTDIR)" ] || depmod $(KREL)

uninstall:
	rm -rf $(MODDIR)
	rm -f $(HDRDIR)/vhost_doorbell.h $(HDRDIR)/vhost_doorbell_copy.h
	$(MAKE) --no-print-directory -C tools/vhdb uninstall
	[ -n "$(DESTDIR)" ] || depmod $(KREL)

clean:
	rm -rf $(BUILD)

distclean: clean
	. $(VM)/lib.sh && rm -rf "$$VHDB_CACHE"

FORCE:
