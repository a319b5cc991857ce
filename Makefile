# SPDX-License-Identifier: GPL-2.0-only
# The commands of this project; Kbuild holds what kbuild makes of the modules.

LAB := tests/lab/lab

.DEFAULT_GOAL := modules
.PHONY: modules modules_install install deb lab demo quick check check-all new-test new-vendor bench run shell tools lint series vendor-lines clean distclean help

ifdef KDIR
# Out of the lab, as any out-of-tree module: make KDIR=/lib/modules/.../build
OLDEST := $(shell sed -n 's/^oldest = "\(.*\)"$$/\1/p' kernels.toml)
release := $(shell cat '$(KDIR)/include/config/kernel.release' 2> /dev/null)
ifneq ($(words $(CURDIR)),1)
$(error $(CURDIR) has a blank in its name, which kbuild cannot handle)
else ifeq ($(release),)
$(error KDIR=$(KDIR) is not the build directory of a kernel: it has no include/config/kernel.release)
else ifneq ($(shell printf '%s\n' $(OLDEST) $(release) | sort -V | head -n 1),$(OLDEST))
$(error Linux $(release) in KDIR=$(KDIR) is too old: $(OLDEST) or later is needed)
endif

modules clean:
	$(MAKE) -C $(KDIR) M=$(CURDIR) $@

# What earlier calls have built for tests is not for modprobe to find.
modules_install:
	$(MAKE) -C $(KDIR) M=$(CURDIR) VFIO_MEDIATE_DROP_IN= VFIO_MEDIATE_TESTS= modules
	$(MAKE) -C $(KDIR) M=$(CURDIR) VFIO_MEDIATE_DROP_IN= VFIO_MEDIATE_TESTS= $@
else
modules_install:
	$(error modules_install needs KDIR=/lib/modules/VERSION/build)

modules:
	@$(LAB) modules $(if $(KERNEL),--kernel '$(KERNEL)')

clean:
	rm -rf build
endif

install:
	@$(MAKE) --no-print-directory -C tools O='$(CURDIR)/build/tools' install
	@$(MAKE) --no-print-directory -C packaging install-dev

deb:
	@$(LAB) deb

lab:
	@$(LAB) lab $(if $(KERNEL),--kernel '$(KERNEL)')

demo:
	@$(LAB) demo $(if $(KERNEL),--kernel '$(KERNEL)') $(if $(QEMU),--qemu '$(QEMU)')

which = $(if $(SUITE),--suite '$(SUITE)') $(if $(KERNEL),--kernel '$(KERNEL)')

quick:
	@$(LAB) quick

check:
	@$(LAB) check $(which) $(if $(ONLY),--only '$(ONLY)')

check-all:
	@$(LAB) check-all $(which) $(if $(AGAIN),--again)

new-test:
	@$(LAB) new-test $(NAME)

new-vendor:
	@packaging/new-vendor/new-vendor '$(NAME)' '$(or $(IDS),8086:10ca)' '$(or $(O),build/$(NAME))'

bench:
	@$(LAB) bench $(if $(SUITE),--suite '$(SUITE)') $(if $(KERNEL),--kernel '$(KERNEL)') \
		$(if $(QEMU),--qemu '$(QEMU)') $(if $(N),--times '$(N)') $(if $(MEMORY),--memory '$(MEMORY)')

host_args = $(if $(FILES),--files '$(FILES)') $(if $(KERNEL),--kernel '$(KERNEL)') \
	$(if $(VFS),--vfs '$(VFS)') $(if $(PF),--pf '$(PF)') $(if $(PFS),--pfs '$(PFS)') \
	$(if $(QEMUS),--qemus $(QEMUS)) $(if $(USERLAND),--userland '$(USERLAND)')

run:
	@$(LAB) run $(if $(SCRIPT),--script '$(SCRIPT)') $(if $(TIMEOUT),--timeout '$(TIMEOUT)') $(host_args)

shell:
	@$(LAB) shell $(host_args)

tools:
	@$(MAKE) --no-print-directory -C tools O='$(CURDIR)/build/tools'

lint:
	@$(LAB) lint

series:
	@$(LAB) series $(if $(KERNEL_TREE),--tree '$(KERNEL_TREE)') $(if $(O),--to '$(O)') \
		$(if $(NAME),--name '$(NAME)') $(if $(EMAIL),--email '$(EMAIL)')

vendor-lines:
	@python3 tests/lab/vendor_lines.py

distclean: clean
	@$(LAB) distclean

help:
	@echo 'make [modules] [KERNEL=6.12|7.2|debug]  build the modules inside a tree of that kernel'
	@echo 'make KDIR=/lib/modules/VERSION/build    build them against a kernel of this machine'
	@echo 'make KDIR=... modules_install [INSTALL_MOD_PATH=dir] [VFIO_MEDIATE_SAMPLES=m]'
	@echo '                                        install them; samples only where asked for'
	@echo 'make install [DESTDIR=dir] [PREFIX=/usr/local]'
	@echo '                                        install the tools, and headers for vendors'
	@echo 'make deb                                build Debian packages, in build/deb'
	@echo 'make lab [KERNEL=...]                   build all that the lab needs; a second call is seconds'
	@echo 'make demo [KERNEL=...] [QEMU=10|7.2|11] from nothing to guests that are migrated with their VFs; build/demo.html'
	@echo 'make quick                              tests that need no virtual machine, lint of what changed'
	@echo 'make check [SUITE=a,b*] [KERNEL=a,b] [ONLY=test]'
	@echo '                                        all daily tests, or some suites (SUITE=list)'
	@echo 'make check-all [SUITE=a,b*] [KERNEL=a,b] [AGAIN=1]'
	@echo '                                        every suite on every kernel, but what has passed'
	@echo '                                        on this tree; goes on where it was interrupted'
	@echo 'make new-test NAME=name                 write the skeleton of a test'
	@echo 'make new-vendor NAME=name [IDS=8086:10ca] [O=dir]'
	@echo "                                        write the skeleton of a vendor's module, in build/name"
	@echo 'make bench [SUITE=access|dirty|stop|records|io] [KERNEL=...]'
	@echo '                                        count instructions: our driver against vfio-pci, and'
	@echo '                                        a VF that is tracked against one that is not'
	@echo 'make bench SUITE=nvme [N=3] [KERNEL=...] fio on an NVMe VF: ours against vfio-pci, and tracked'
	@echo 'make bench SUITE=migration [QEMU=7.2,10,11] [N=3] [MEMORY=256M,1G] [KERNEL=...]'
	@echo '                                        how long guests are away, with virtio-net, with'
	@echo '                                        net_failover and with a VF'
	@echo 'make run SCRIPT=path [FILES=dir] [KERNEL=...] [VFS=n] [PF=igb|sample_nic|nvme] [PFS=1|2] [TIMEOUT=s]'
	@echo '         [QEMUS="7.2 11"] [USERLAND=libvirt|libvirt-9]'
	@echo '                                        run a script on the lab host, return its exit status'
	@echo 'make shell [FILES=dir] [KERNEL=...] [VFS=n] [PF=...] [PFS=...] [QEMUS=...] [USERLAND=...]'
	@echo '                                        the same host with an interactive shell'
	@echo 'make tools                              build tools/ with this machine'"'"'s compiler, in build/tools'
	@echo 'make lint                               checkpatch, sparse, W=1, kernel-doc, floors, sphinx, shellcheck'
	@echo 'make vendor-lines                       count the lines of sample_nic that exist for mediation only'
	@echo 'make series [NAME="..." EMAIL=...] [KERNEL_TREE=path] [O=dir]'
	@echo '                                        write the patches for the kernel, in build/series'
	@echo 'make clean                              remove build/'
	@echo 'make distclean                          remove build/ and the cache of trees, kernels and images'
