# SPDX-License-Identifier: GPL-2.0
#
# What of the engine the unit tests run: each line must be run, and a branch that
# is not taken be explained in cov/explained.txt. Part of `make check`.

COV	:= $(UNIT:%=cov-%)

# In a directory of its own: counters are named by the object they belong to.
# Not optimized, so that a branch is one of the source's; and what is inline is
# there even if no test calls it. Which lines are run takes few rounds to tell.
$(COV:%=$(BUILD)/%/run): $(BUILD)/cov-%/run: %.c $(DEPS) $(wildcard $(HERE)/cov/*) $(HERE)/cov.mk
	rm -rf $(@D) && mkdir -p $(@D)
	cd $(@D) && $(CC) $(FLAGS) $(HOOKS) -O0 -DSLOWER=21 \
		-fkeep-inline-functions --coverage \
		-include $(HERE)/cov/shim.h -o run $(abspath $<) $(COMMON)

$(COV:%=$(BUILD)/%/done): $(BUILD)/%/done: $(BUILD)/%/run
	rm -f $(@D)/*.gcda
	$< >$(@D)/log || { cat $(@D)/log; exit 1; }
	touch $@

coverage: $(COV:%=$(BUILD)/%/done)
	@$(HERE)/cov/report $(ENGINE) $(HERE)/cov/explained.txt $(COV:%=$(BUILD)/%)

.PHONY: coverage
