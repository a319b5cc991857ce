// SPDX-License-Identifier: GPL-2.0-only
// What the kernel that the series is for has in the place of what older ones have, and what a
// reader does not need of what macros of compat.h have left: rules for those are made from it.

@@ expression list; @@
- !!list_empty(list)
+ list_empty(list)

@@ expression object; @@
- kzalloc(sizeof(*object), GFP_KERNEL)
+ kzalloc_obj(*object)

@@ expression object, flags; @@
- kzalloc(sizeof(*object), flags)
+ kzalloc_obj(*object, flags)

@@ expression object; @@
- kmalloc(sizeof(*object), GFP_KERNEL)
+ kmalloc_obj(*object)

@@ expression object, flags; @@
- kmalloc(sizeof(*object), flags)
+ kmalloc_obj(*object, flags)
