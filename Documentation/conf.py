# SPDX-License-Identifier: GPL-2.0
#
# Settings of sphinx, for `make docs`. The directive kernel-doc is the kernel's
# own; KERNEL_SOURCE names the tree that it comes from.

import os
import sys

top = os.path.abspath("..")
kernel = os.environ["KERNEL_SOURCE"]
sys.path.insert(0, os.path.join(kernel, "Documentation/sphinx"))

project = "vhost-doorbell"
extensions = ["kerneldoc"]
kerneldoc_bin = os.path.join(kernel, "scripts/kernel-doc")
kerneldoc_srctree = top
kerneldoc_verbosity = 1

master_doc = "index"
primary_domain = "c"
highlight_language = "none"

html_theme = "alabaster"
html_theme_options = {
    "description": "the device side of virtio, in the kernel",
    "page_width": "70em",
    "fixed_sidebar": True,
}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
html_copy_source = False
html_show_copyright = False
# The kernel-doc of the headers names struct members that have no target of their own.
nitpicky = False
