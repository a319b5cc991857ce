/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fixture of all tests of mediated devices: a VF that mediator_demo mediates. Each
 * test says under which parameters of mediator_demo it runs, and by which interface.
 */
#ifndef MEDIATE_FIXTURE_H
#define MEDIATE_FIXTURE_H

#include "check.h"
#include "mediate.h"

#define DEMO_ALL	"drain_us=1000 dense=N "
#define DEMO		DEMO_ALL "no_p2p=N "
#define DEMO_NET	DEMO "traps=net rom=N sparse=N"
#define DEMO_NONE	DEMO "traps=none rom=Y sparse=N"
#define DEMO_NOSHADOW	DEMO "traps=noshadow rom=N sparse=N"
#define DEMO_SPARSE	DEMO "traps=noshadow rom=N sparse=Y"
#define DEMO_HAMMER	DEMO "traps=hammer rom=Y sparse=Y"
#define DEMO_NET_ROM	DEMO "traps=net rom=Y sparse=N"
#define DEMO_NO_P2P	DEMO_ALL "no_p2p=Y traps=net rom=N sparse=N"

FIXTURE(mediate) {
	struct mediate m;
};

FIXTURE_VARIANT(mediate) {
	const char *parameters;		/* of mediator_demo */
	enum vfio_client_mode mode;
};

FIXTURE_SETUP(mediate)
{
	module_load("mediator_demo", variant->parameters);
	/* What a test may have left that did not come to its end */
	ASSERT_EQ(0, demo_param_set("registered", "1"));
	ASSERT_EQ(0, param_set("vfio_pci_mediate", "drain_us", "0"));
	mediate_open(&self->m, lab_vf(0), variant->mode);
}

FIXTURE_TEARDOWN(mediate)
{
	mediate_close(&self->m);
	end_checks(_metadata);
}

#endif /* MEDIATE_FIXTURE_H */
